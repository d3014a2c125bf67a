"""Plans a release: runs all checks, and describes the extractor and its variants.

The extractor and each of its variants are released together or not at all, each with its own audit
and its own statement. A version that an earlier run registered for the same commit is continued.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.artifacts import Artifact
from pipelines.release.checks import (
    ARTIFACT,
    RefusedError,
    Stage,
    audited,
    configured_variants,
    dvc_remote,
    git_remote,
    graph,
    identity,
    private_keys,
    signing_key,
    tree,
    unknown_variants,
)
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.envelope import Envelope, encode_json
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.formats.release_statement import (
    AUDIT,
    CARD,
    MANIFEST,
    Release,
    ReleasedFile,
    parse_release,
    release_statement,
    version_key,
)
from tiprdc.registry.describe import describe
from tiprdc.registry.git import Git
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import Bump, Registry, Version, next_version


@dataclass(frozen=True, kw_only=True)
class ReleaseRequest:
    """Arguments of a release.

    Args:
        bump: Part of the version that rises.
        stage: Lifecycle stage that it enters, or None.
        key: Private key that signs it, or None.
        push: Whether tags are pushed to the Git remote.
        without: Variants that are not released.
    """

    bump: Bump
    stage: Stage | None = None
    key: Path | None = None
    push: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedArtifact:
    """The extractor, or a variant of it.

    Args:
        registry: Of its name.
        release: What its statement is about.
        envelope: In its tag, if an earlier run registered it already; else None.
    """

    registry: Registry
    release: Release
    envelope: Envelope | None


@dataclass(frozen=True, kw_only=True)
class ReleasePlan:
    """A release that passed all checks.

    Args:
        version: "v1.2.0".
        parts: The extractor, then its variants.
    """

    version: str
    parts: tuple[PlannedArtifact, ...]


def plan_release(root: Path, request: ReleaseRequest) -> ReleasePlan:
    """Run all checks; changes nothing, but fetches the remote's tags.

    Args:
        root: The project's folder.
        request: What is to be released.

    Raises:
        RefusedError: A check failed; it has every reason.
    """
    git, reasons = Git(root), list[str]()
    variants = configured_variants(root)
    artifacts = [
        Artifact(),
        *(Artifact(variant) for variant in variants if variant not in request.without),
    ]
    for check in (
        tree(git),
        private_keys(git),
        identity(git),
        unknown_variants(variants, request.without),
        graph(root, artifacts),
        dvc_remote(root),
        git_remote(git, request.push),
        signing_key(request.key),
        *(audited(root, artifact) for artifact in artifacts),
    ):
        reasons += check
    files = [_files(root, artifact, reasons) for artifact in artifacts]
    if reasons:
        raise RefusedError(reasons)
    revision = git("rev-parse", "HEAD").strip()
    version = _version(read_registry(git, ARTIFACT), revision, request.bump)
    return ReleasePlan(
        version=version,
        parts=tuple(
            _plan_artifact(
                root,
                git,
                artifact,
                its_files,
                version=version,
                revision=revision,
                is_signed=bool(request.key),
            )
            for artifact, its_files in zip(artifacts, files, strict=True)
        ),
    )


def _plan_artifact(
    root: Path,
    git: Git,
    artifact: Artifact,
    files: dict[str, ReleasedFile],
    *,
    version: str,
    revision: str,
    is_signed: bool,
) -> PlannedArtifact:
    """Describe one artifact, or take the statement that an earlier run registered."""
    registry = read_registry(git, artifact.artifact)
    registered = registry.versions.get(version)
    if registered:
        if registered.tag.commit != revision:
            reason = f"Git: {registered.tag.name} is registered already, of another commit"
            raise RefusedError([f"{reason}: commit your changes, and release a higher version"])
        envelope, release = registry.envelope(registered), registry.release(registered)
        _refuse_other_release(registered, release, envelope, files, is_signed=is_signed)
        return PlannedArtifact(registry=registry, release=release, envelope=envelope)
    release = describe(
        read_contract(root / artifact.release / MANIFEST),
        read_audit(root / artifact.reports / AUDIT),
        files,
        artifact=artifact.artifact,
        version=version,
        revision=revision,
        params_sha256=git.blob_sha256(revision, "params.yaml"),
    )
    # Pullers must accept the statement.
    parse_release(Envelope(payload=encode_json(release_statement(release))), release.name)
    return PlannedArtifact(registry=registry, release=release, envelope=None)


def _files(root: Path, artifact: Artifact, reasons: list[str]) -> dict[str, ReleasedFile]:
    """Name in the release -> file; {} if one cannot be released, for which there is a reason."""
    try:
        contract = read_contract(root / artifact.release / MANIFEST)
    except DataError:
        return {}
    paths = {name: f"{artifact.release}/{name}" for name in (*contract.files, MANIFEST)}
    paths |= {name: f"{artifact.reports}/{name}" for name in (AUDIT, CARD)}
    try:
        return {
            name: ReleasedFile(
                path=path,
                sha256=sha256(root / path),
                size=(root / path).stat().st_size,
            )
            for name, path in paths.items()
        }
    except FileNotFoundError:
        assert reasons
    except ValueError as error:
        reasons.append(f"{artifact.release}: {error}: `dvc repro`")
    return {}


def _version(registry: Registry, revision: str, bump: Bump) -> str:
    """The next version, or the one that an earlier run registered for this commit."""
    versions = registry.versions
    existing = next((v for v in versions.values() if v.tag.commit == revision), None)
    if existing is None:
        return next_version(list(versions), bump)
    earlier = [name for name in versions if version_key(name) < version_key(existing.name)]
    if existing.name != next_version(earlier, bump):
        reason = f"Git: this commit is registered already, as {existing.tag.name}"
        raise RefusedError([f"{reason}: commit your changes, or promote it"])
    return existing.name


def _refuse_other_release(
    version: Version,
    release: Release,
    envelope: Envelope,
    files: dict[str, ReleasedFile],
    *,
    is_signed: bool,
) -> None:
    """An earlier run's version is continued only with the same bytes and signature."""
    name = version.tag.name
    if release.files != files:
        raise RefusedError([f"{name} is registered here with other bytes: release a new version"])
    if version.blocked_reason:
        raise RefusedError([f"{name} {version.blocked_reason}: release a new version"])
    if is_signed and not envelope.signatures:
        raise RefusedError([f"{name} is registered unsigned: release a new version"])
