"""What becomes of a version: it enters lifecycle stages, is taken back, is audited again.

A version's variants go where it goes, in the same transaction, unless one of them alone is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.release.checks import (
    ARTIFACT,
    ARTIFACTS,
    Stage,
    git_remote,
    identity,
    refuse,
    signing_key,
)
from pipelines.release.publish import assignment, create
from tiprdc.errors import ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import artifact_of
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
from tiprdc.registry.signing import canonical
from tiprdc.registry.versions import Registry


def promote(
    root: Path,
    name: str,
    stage: Stage,
    key: Path | None,
    push: bool,
    without: Sequence[str] = (),
) -> list[str]:
    """Let a registered version enter a lifecycle stage, with its variants but those `without`.

    Raises:
        ReleaseError: It is not registered, was taken back, or failed a later audit; or one of its
            variants was or did.
    """
    git, tags = Git(root), dict[str, str]()
    refuse(identity(git), git_remote(git, push), signing_key(key))
    for found in _registries(git, name, without):
        version = found.version(name)
        release = found.release(version)
        if version.objection or release.verdict != "PASS":
            raise ReleaseError(
                version.tag.name, version.objection or f"its audit says {release.verdict}",
                "a version without objection",
                "promote another version; a variant may be left behind (--without)",
            )  # fmt: skip
        tags |= assignment(git, found, release, stage, key)
    create(git, tags, tags if push else {})
    return list(tags)


def deprecate(
    root: Path, name: str, reason: str, push: bool, variant: str | None = None
) -> list[str]:
    """Take a version back, or one variant of it alone: who pulls it is told why.

    Raises:
        ReleaseError: It is not registered, or was taken back before.
    """
    git, tags = Git(root), dict[str, str]()
    refuse(identity(git), git_remote(git, push))
    alone = variant is not None
    found = [dvc_store.read(git, artifact_of(variant))] if alone else _registries(git, name)
    versions = [one.version(name) for one in found]
    for version in versions:
        if version.withdrawn is None:
            tag = f"{version.tag.name}!"
            tags[tag] = git.make_tag(tag, version.tag.commit, sanitize(" ".join(reason.split())))
    if not tags:
        raise ReleaseError(versions[0].tag.name, "was deprecated before", "a version in use")
    create(git, tags, tags if push else {})
    return list(tags)


def reaudit(root: Path, name: str, audit_file: Path, push: bool) -> list[str]:
    """Record what a later audit of a version, or of a variant of it, found; one that does not pass
    stops pulls.

    Args:
        root: The project's folder.
        name: "v1.2.0".
        audit_file: An audit.json about the version's very model, or a variant's.
        push: Whether the tag goes to the Git remote.

    Raises:
        ReleaseError: The version is not registered, or the audit is about another model.
    """
    git = Git(root)
    refuse(identity(git), git_remote(git, push))
    audit = read_audit(audit_file)
    models = {
        found.release(found.version(name)).model_sha256: found for found in _registries(git, name)
    }
    if audit.model_sha256 not in models:
        raise ReleaseError(
            str(audit_file), f"about model {audit.model_sha256[:12]}",
            f"about {' or '.join(model[:12] for model in models)}, of {ARTIFACT}@{name}",
        )  # fmt: skip
    found = models[audit.model_sha256]
    version = found.version(name)
    number = 1 + max((later.number for later in version.reaudits), default=0)
    tag = f"{found.artifact}+{name}+audit+{number}"
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


def _registries(git: Git, name: str, without: Sequence[str] = ()) -> list[Registry]:
    """That of the extractor, which must have the version, and those of variants that have it."""
    left = set(map(artifact_of, without))
    first, *others = (dvc_store.read(git, one) for one in ARTIFACTS if one not in left)
    first.version(name)
    return [first, *(found for found in others if name in found.versions)]
