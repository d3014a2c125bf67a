"""Promotes, deprecates and re-audits registered versions.

A version's variants are promoted and deprecated with it, in the same transaction, unless one
variant is named.
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
from pipelines.release.publish import assignment, create, signed, tag_message
from tiprdc.errors import ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.audit_statement import audit_statement
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import artifact_of
from tiprdc.formats.release_statement import MODEL
from tiprdc.registry.git import Git
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import Registry


def promote(
    root: Path,
    name: str,
    stage: Stage,
    key: Path | None,
    push: bool,
    without: Sequence[str] = (),
) -> list[str]:
    """Let a registered version enter a lifecycle stage, with its variants.

    Args:
        root: The project's folder.
        name: "v1.2.0".
        stage: Lifecycle stage that it enters.
        key: Private key that signs the promotion, or None.
        push: Whether tags are pushed to the Git remote.
        without: Variants that are not promoted.

    Returns:
        Names of the tags that were created.

    Raises:
        ReleaseError: The version or one of its variants is not registered, is deprecated, or failed
            a later audit.
    """
    git, tags = Git(root), dict[str, str]()
    refuse(identity(git), git_remote(git, push), signing_key(key))
    for registry in _registries(git, name, without):
        version = registry.version(name)
        release = registry.release(version)
        if version.blocked_reason or release.audit.verdict != "PASS":
            raise ReleaseError(
                version.tag.name,
                version.blocked_reason or f"its audit has the verdict {release.audit.verdict}",
                hint="promote another version, or leave a variant out (--without)",
            )  # fmt: skip
        tags |= assignment(git, registry, release, registry.envelope(version), stage, key)
    create(git, tags, tags if push else {})
    return list(tags)


def deprecate(
    root: Path, name: str, reason: str, push: bool, variant: str | None = None
) -> list[str]:
    """Deprecate a version with its variants, or one variant; pulls are refused with the reason.

    Raises:
        ReleaseError: It is not registered, or is deprecated already.
    """
    git, tags = Git(root), dict[str, str]()
    refuse(identity(git), git_remote(git, push))
    if variant is None:
        registries = _registries(git, name)
    else:
        registries = [read_registry(git, artifact_of(variant))]
    versions = [registry.version(name) for registry in registries]
    for version in versions:
        if version.deprecated is None:
            tag = f"{version.tag.name}!"
            tags[tag] = git.make_tag(tag, version.tag.commit, sanitize(" ".join(reason.split())))
    if not tags:
        raise ReleaseError(versions[0].tag.name, "is deprecated already")
    create(git, tags, tags if push else {})
    return list(tags)


def reaudit(
    root: Path, name: str, audit_file: Path, push: bool, key: Path | None = None
) -> list[str]:
    """Record a later audit of a version or of a variant of it; without a PASS it stops pulls.

    Args:
        root: The project's folder.
        name: "v1.2.0".
        audit_file: An audit.json about exactly the version's model, or a variant's.
        push: Whether the tag is pushed to the Git remote.
        key: Private key that signs the audit, or None.

    Raises:
        ReleaseError: The version is not registered, or the audit is about another model.
    """
    git = Git(root)
    refuse(identity(git), git_remote(git, push), signing_key(key))
    audit = read_audit(audit_file)
    registries = {
        registry.release(registry.version(name)).model_sha256: registry
        for registry in _registries(git, name)
    }
    if audit.model_sha256 not in registries:
        models = " or ".join(model[:12] for model in registries)
        raise ReleaseError(
            str(audit_file), f"about model {audit.model_sha256[:12]}",
            f"about {models}, of {ARTIFACT}@{name}",
        )  # fmt: skip
    registry = registries[audit.model_sha256]
    version = registry.version(name)
    number = 1 + max((later.number for later in version.reaudits), default=0)
    tag = f"{registry.artifact}+{name}+audit+{number}"
    statement = audit_statement(
        name=MODEL,
        model_sha256=audit.model_sha256,
        verdict=audit.verdict,
        suite_version=audit.suite_version,
        attributes={name: attribute.verdict for name, attribute in audit.attributes.items()},
        dataset=audit.dataset,
        data_digest=audit.data_digest,
        plan_sha256=audit.plan_sha256,
        audit_sha256=sha256(audit_file),
    )
    headline = f"{audit.verdict} by suite {audit.suite_version}"
    message = tag_message(headline, signed(statement, key))
    tags = {tag: git.make_tag(tag, version.tag.commit, message)}
    create(git, tags, tags if push else {})
    return list(tags)


def _registries(git: Git, name: str, without: Sequence[str] = ()) -> list[Registry]:
    """The extractor's, which must have the version, and those of variants that have it."""
    excluded = set(map(artifact_of, without))
    first, *others = (
        read_registry(git, artifact) for artifact in ARTIFACTS if artifact not in excluded
    )
    first.version(name)
    return [first, *(registry for registry in others if name in registry.versions)]
