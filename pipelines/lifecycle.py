"""What becomes of a version: it enters lifecycle stages, is taken back, is audited again."""

from __future__ import annotations

from pathlib import Path

from pipelines.readiness import ARTIFACT, Stage, git_remote, identity, refuse, signing_key
from pipelines.releasing import assignment, create
from tiprdc import registry
from tiprdc.documents import printable, sha256
from tiprdc.errors import ReleaseError
from tiprdc.findings import read_audit
from tiprdc.git import Git
from tiprdc.signing import canonical


def promote(root: Path, name: str, stage: Stage, key: Path | None, push: bool) -> list[str]:
    """Let a registered version enter a lifecycle stage.

    Raises:
        ReleaseError: It is not registered, was taken back, or failed a later audit.
    """
    git = Git(root)
    refuse(identity(git), git_remote(git, push), signing_key(key))
    found = registry.read(git, ARTIFACT)
    version = found.version(name)
    release = found.release(version)
    if version.objection or release.verdict != "PASS":
        raise ReleaseError(
            version.tag.name, version.objection or f"its audit says {release.verdict}",
            "a version without objection", "promote another version",
        )  # fmt: skip
    tags = assignment(git, found, release, stage, key)
    create(git, tags, tags if push else {})
    return list(tags)


def deprecate(root: Path, name: str, reason: str, push: bool) -> list[str]:
    """Take a version back: nobody pulls it any more without being told why.

    Raises:
        ReleaseError: It is not registered, or was taken back before.
    """
    git = Git(root)
    refuse(identity(git), git_remote(git, push))
    version = registry.read(git, ARTIFACT).version(name)
    if version.withdrawn is not None:
        raise ReleaseError(version.tag.name, "was deprecated before", "a version in use")
    tag = f"{version.tag.name}!"
    tags = {tag: git.make_tag(tag, version.tag.commit, printable(" ".join(reason.split())))}
    create(git, tags, tags if push else {})
    return list(tags)


def reaudit(root: Path, name: str, audit_file: Path, push: bool) -> list[str]:
    """Record what a later audit of a version found; one that does not pass stops pulls.

    Args:
        root: The project's folder.
        name: "v1.2.0".
        audit_file: An audit.json about the version's very model.
        push: Whether the tag goes to the Git remote.

    Raises:
        ReleaseError: The version is not registered, or the audit is about another model.
    """
    git = Git(root)
    refuse(identity(git), git_remote(git, push))
    version = registry.read(git, ARTIFACT).version(name)
    release, audit = registry.read(git, ARTIFACT).release(version), read_audit(audit_file)
    if audit.model_sha256 != release.model_sha256:
        raise ReleaseError(
            str(audit_file), f"about model {audit.model_sha256[:12]}",
            f"about {release.model_sha256[:12]}, the one of {version.tag.name}",
        )  # fmt: skip
    number = 1 + max((later.number for later in version.reaudits), default=0)
    tag = f"{ARTIFACT}+{name}+audit+{number}"
    said = {
        "suite_version": audit.suite_version,
        "verdict": audit.verdict,
        "sha256": sha256(audit_file),
        "reasons": list(audit.reasons),
    }
    message = f"{audit.verdict} by suite {audit.suite_version}\n\n{canonical(said).decode()}"
    tags = {tag: git.make_tag(tag, version.tag.commit, message)}
    create(git, tags, tags if push else {})
    return list(tags)
