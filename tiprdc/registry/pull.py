"""Pull a registered version: nothing that comes from the repository is believed, all is compared.

Git says which version, which commit and what its files must be; DVC's remote gives bytes. They are
compared with the statement in the version's tag, the statement with a signature of somebody whom
the puller trusts, and only then does the target folder come to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.manifest import artifact_of
from tiprdc.formats.release_statement import Envelope, Release
from tiprdc.registry import dvc_store
from tiprdc.registry.git import clone
from tiprdc.registry.release_folder import atomic_directory, check, read_statement, write_statement
from tiprdc.registry.signing import TrustedKey, canonical_sha256, verify_signature
from tiprdc.registry.versions import NO_TAGS, Registry, Version


@dataclass(frozen=True, kw_only=True)
class VersionSelector:
    """Which version: of a name, in a lifecycle stage, or the newest.

    Args:
        artifact: Name in the registry.
        stage: Lifecycle stage, or None.
        version: "v1.2.0", or None.
        variant: A smaller file of it, which is registered beside it, or None.
        objected: Take it even if it was deprecated or failed a later audit.
    """

    artifact: str = "extractor"
    stage: str | None = None
    version: str | None = None
    variant: str | None = None
    objected: bool = False

    def __post_init__(self) -> None:
        if self.stage and self.version:
            raise ConfigError("--version", "beside --stage", "one of the two", "leave one out")


@dataclass(frozen=True, kw_only=True)
class VerifiedRelease:
    """A release whose files are those of its statement.

    Args:
        release: What was said of it.
        key: Who vouches for it; None: nobody was asked.
        stages: Lifecycle stages that it is in, as far as known.
    """

    release: Release
    key: TrustedKey | None
    stages: tuple[str, ...] = ()


def pull(
    source: str,
    wanted: VersionSelector,
    target: Path,
    trusted: Sequence[TrustedKey] | None,
    today: date | None = None,
) -> VerifiedRelease:
    """Fetch a version and check everything about it.

    Args:
        source: Folder or Git URL of the repository.
        wanted: Which version.
        target: New folder.
        trusted: One of these must have signed it; None: nobody is asked.
        today: To compare with a key's expiry; today's date in UTC unless told.

    Raises:
        ReleaseError: A file, the statement, a tag or a signature is not what it must be.
        ConfigError: The target is taken, or there is no such variant.
    """
    artifact = artifact_of(wanted.variant, wanted.artifact)
    with atomic_directory(target) as payload:
        git = clone(absolute(source), payload.with_name("clone"))
        found = dvc_store.read(git, artifact)
        version = resolve(found, wanted)
        envelope, release = found.envelope(version), found.release(version)
        key = _vouched(envelope, trusted, version.tag.name, today)
        if wanted.stage:
            _check_promotion(found, wanted.stage, release, trusted, today)
        with dvc_store.opened(git.folder, release.revision, absolute(source)) as repo:
            for name, file in release.files.items():
                dvc_store.fetch(repo, file, payload / name)
        write_statement(envelope, payload)
        check(payload, release)
    return VerifiedRelease(release=release, key=key, stages=tuple(found.stages_of(version)))


def verify(
    folder: Path, trusted: Sequence[TrustedKey] | None, today: date | None = None
) -> VerifiedRelease:
    """Check a folder that was pulled, offline.

    Raises:
        ReleaseError: A file or a signature is not what it must be.
    """
    envelope, release = read_statement(folder)
    key = _vouched(envelope, trusted, str(folder), today)
    check(folder, release)
    return VerifiedRelease(release=release, key=key)


def resolve(found: Registry, wanted: VersionSelector) -> Version:
    """The version that is wanted; the newest that nobody objects to unless told which.

    Raises:
        ReleaseError: There is none, or it was deprecated or failed a later audit.
    """
    if wanted.version:
        version = found.version(wanted.version)
    elif wanted.stage:
        version = found.in_stage(wanted.stage)
    else:
        usable = [v for v in found.versions.values() if wanted.objected or not v.objection]
        if not usable:
            known = ", ".join(found.versions)
            raise ReleaseError(
                found.artifact, "no version that can be used", "a registered version",
                f"all were taken back: {known}" if known else NO_TAGS,
            )  # fmt: skip
        version = usable[-1]
    if version.objection and not wanted.objected:
        raise ReleaseError(
            version.tag.name, version.objection, "a version without objection",
            "take another version; --objected takes this one all the same",
        )  # fmt: skip
    return version


def open_release(
    found: Registry, version: Version, trusted: Sequence[TrustedKey] | None
) -> VerifiedRelease:
    """A version's statement, with a look at its signature if anybody is trusted.

    Raises:
        ReleaseError: It has none, or nobody trusted signed it.
    """
    release = found.release(version)
    key = _vouched(found.envelope(version), trusted, version.tag.name, None)
    return VerifiedRelease(release=release, key=key, stages=tuple(found.stages_of(version)))


def _vouched(
    envelope: Envelope,
    trusted: Sequence[TrustedKey] | None,
    where: str,
    today: date | None,
) -> TrustedKey | None:
    if trusted is None:
        return None
    return verify_signature(
        envelope.statement, "release", envelope.signatures, trusted, where, today
    )


def _check_promotion(
    found: Registry,
    stage: str,
    release: Release,
    trusted: Sequence[TrustedKey] | None,
    today: date | None,
) -> None:
    """Whoever trusts somebody for releases trusts nobody else to say which of them is in use."""
    if trusted is None:
        return
    assignment = found.stages[stage]
    where, envelope = assignment.tag.name, found.promotion(assignment)
    verify_signature(envelope.statement, "promotion", envelope.signatures, trusted, where, today)
    expected = promotion_statement(release, stage, assignment.number)
    if envelope.statement != expected:
        raise ReleaseError(
            where, "a promotion of something else", f"{release.artifact}@{release.version}",
            "somebody moved the tag: ask who may push tags",
        )  # fmt: skip


def promotion_statement(release: Release, stage: str, number: int) -> dict[str, object]:
    """What is said when a version enters a lifecycle stage."""
    return {
        "promotion_version": 1,
        "artifact": release.artifact,
        "stage": stage,
        "number": number,
        "version": release.version,
        "release_sha256": canonical_sha256(release.raw),
    }


def absolute(source: str) -> str:
    """A folder's absolute path; a URL as it is."""
    return str(Path(source).absolute()) if Path(source).is_dir() else source
