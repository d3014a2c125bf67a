"""Pull a registered version and check all of it; verify a pulled folder offline.

Git gives the version, its commit and its statement; DVC's remote gives bytes. The statement is
compared with a signature by a key that the puller trusts, the bytes with the statement. Only then
does the target folder appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.envelope import Envelope
from tiprdc.formats.manifest import artifact_of
from tiprdc.formats.release_statement import (
    Release,
    parse_promotion,
    parse_release,
    promotion_statement,
)
from tiprdc.registry import dvc_store
from tiprdc.registry.release_folder import check, read_envelope, write_statement
from tiprdc.registry.remote import Remote
from tiprdc.registry.signing import TrustedKey, verify_signature
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import NO_TAGS, Registry, Version


@dataclass(frozen=True, kw_only=True)
class VersionSelector:
    """Which version to take: a named one, the one in a lifecycle stage, or the newest.

    Args:
        artifact: Name in the registry.
        stage: Lifecycle stage, or None.
        version: "v1.2.0", or None.
        variant: A smaller file that is registered beside it ("int8", "fp16"), or None.
        allow_deprecated: Take it even if it was deprecated or failed a later audit.
    """

    artifact: str = "extractor"
    stage: str | None = None
    version: str | None = None
    variant: str | None = None
    allow_deprecated: bool = False

    def __post_init__(self) -> None:
        if self.stage and self.version:
            raise ConfigError("--version", "given together with --stage", hint="leave one out")


@dataclass(frozen=True, kw_only=True)
class VerifiedRelease:
    """A release whose files match its statement.

    Args:
        release: Its statement.
        key: The trusted key that signed it; None: signatures were not checked.
        stages: Its lifecycle stages, as far as known.
    """

    release: Release
    key: TrustedKey | None
    stages: tuple[str, ...] = ()


def pull(
    source: str,
    selector: VersionSelector,
    target: Path,
    trusted: Sequence[TrustedKey] | None,
    today: date | None = None,
) -> VerifiedRelease:
    """Fetch a version and check everything about it.

    Args:
        source: Folder or Git URL of the repository.
        selector: Which version.
        target: New folder.
        trusted: One of these keys must have signed it; None: signatures are not checked.
        today: Compared with a key's expiry; default: today's date in UTC.

    Raises:
        ReleaseError: A file, the statement, a tag or a signature is wrong.
        ConfigError: The target exists or cannot be written, or there is no such variant.
    """
    artifact = artifact_of(selector.variant, selector.artifact)
    with atomic_directory(target) as payload:
        remote = Remote(absolute(source), payload.parent)
        registry = read_registry(remote.tags(artifact), artifact)
        version = resolve(registry, selector)
        verified = open_release(registry, version, trusted, today)
        release, envelope = verified.release, registry.envelope(version)
        if selector.stage and trusted is not None:
            _check_promotion(registry, selector.stage, release, trusted, today)
        git = remote.files(version.tag)
        try:
            with dvc_store.open_revision(git.folder, release.revision, absolute(source)) as repo:
                for name, file in release.files.items():
                    dvc_store.fetch(repo, file, payload / name)
            write_statement(envelope, release, payload)
            check(payload, release)
            _make_readable(payload)
        except OSError as error:
            raise ConfigError(str(target), error.strerror or "cannot be written") from error
    return verified


def verify(
    folder: Path, trusted: Sequence[TrustedKey] | None, today: date | None = None
) -> VerifiedRelease:
    """Check a pulled folder, offline.

    Args:
        folder: Written by `pull`.
        trusted: One of these keys must have signed it; None: signatures are not checked.
        today: Compared with a key's expiry; default: today's date in UTC.

    Raises:
        ReleaseError: A file or a signature is wrong.
    """
    envelope = read_envelope(folder)
    key = _check_signature(envelope, trusted, str(folder), today)
    release = parse_release(envelope, str(folder))
    check(folder, release)
    return VerifiedRelease(release=release, key=key)


def resolve(registry: Registry, selector: VersionSelector) -> Version:
    """The selected version; by default the newest that is not blocked.

    Raises:
        ReleaseError: There is none, or it was deprecated or failed a later audit.
    """
    if selector.version:
        version = registry.version(selector.version)
    elif selector.stage:
        version = registry.in_stage(selector.stage)
    else:
        usable = [
            version
            for version in registry.versions.values()
            if selector.allow_deprecated or not version.blocked_reason
        ]
        if not usable:
            known = ", ".join(registry.versions)
            hint = f"all are deprecated or failed a later audit: {known}" if known else NO_TAGS
            raise ReleaseError(registry.artifact, "no version can be used", hint=hint)
        version = usable[-1]
    if version.blocked_reason and not selector.allow_deprecated:
        hint = "take another version, or this one with --allow-deprecated"
        raise ReleaseError(version.tag.name, version.blocked_reason, hint=hint)
    return version


def open_release(
    registry: Registry,
    version: Version,
    trusted: Sequence[TrustedKey] | None,
    today: date | None = None,
) -> VerifiedRelease:
    """A version's statement, after the check of its signature.

    Args:
        registry: Holds the version.
        version: Which.
        trusted: One of these keys must have signed it; None: signatures are not checked.
        today: Compared with a key's expiry; default: today's date in UTC.

    Raises:
        ReleaseError: It has no statement or a wrong one, or no trusted key signed it.
    """
    key = _check_signature(registry.envelope(version), trusted, version.tag.name, today)
    release = registry.release(version)
    return VerifiedRelease(release=release, key=key, stages=tuple(registry.stages_of(version)))


def absolute(source: str) -> str:
    """A folder's absolute path; a URL unchanged."""
    return str(Path(source).absolute()) if Path(source).is_dir() else source


def _check_signature(
    envelope: Envelope,
    trusted: Sequence[TrustedKey] | None,
    where: str,
    today: date | None,
) -> TrustedKey | None:
    return None if trusted is None else verify_signature(envelope, trusted, where, today)


def _check_promotion(
    registry: Registry,
    stage: str,
    release: Release,
    trusted: Sequence[TrustedKey],
    today: date | None,
) -> None:
    """The assignment of a stage needs a trusted signature, as the release does."""
    assignment = registry.stages[stage]
    where, envelope = assignment.tag.name, registry.promotion(assignment)
    verify_signature(envelope, trusted, where, today)
    promotion = parse_promotion(envelope, where)
    released = registry.envelope(registry.version(release.version))
    if promotion != promotion_statement(release, released, stage, assignment.number):
        raise ReleaseError(
            where, f"it does not promote {release.name}",
            hint="the tag was moved: ask the people who may push tags",
        )  # fmt: skip


def _make_readable(folder: Path) -> None:
    """Usual modes, whatever the clone or DVC left."""
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
