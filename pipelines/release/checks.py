"""What speaks against a release: everything is looked at, and every reason given at once.

The extractor's file and each variant of it are released together, each with an audit and a
statement of its own, or none of them is.

A version that an earlier run registered for the same commit is taken up, not made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.artifacts import Artifact
from pipelines.params import load
from tiprdc.errors import DataError, ReleaseError, TiprdcError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.files import read_json, sanitize, sha256
from tiprdc.formats.manifest import MODEL, VARIANTS, Contract, artifact_of, read_contract
from tiprdc.formats.release_statement import (
    AUDIT,
    CARD,
    MANIFEST,
    Release,
    ReleasedFile,
    parse_release,
    version_key,
)
from tiprdc.registry import dvc_store
from tiprdc.registry.describe import describe
from tiprdc.registry.git import Git
from tiprdc.registry.signing import load_private
from tiprdc.registry.versions import Bump, Registry, Version, next_version

Stage = Literal["staging", "prod"]

ARTIFACT = artifact_of(None)
ARTIFACTS = (ARTIFACT, *map(artifact_of, VARIANTS))
REMOTE = "origin"
_LAST_STAGE = "card"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ReleaseRequest:
    """What a release shall be.

    Args:
        bump: Part of the version that rises.
        stage: Lifecycle stage that it enters, or None.
        key: Private key to sign with, or None.
        push: Whether tags go to the Git remote.
        without: Variants that stay behind.
    """

    bump: Bump
    stage: Stage | None = None
    key: Path | None = None
    push: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedArtifact:
    """The file that ships, or a variant of it.

    Args:
        found: The registry of its name.
        registered: Whether its tag is there already: an earlier run got that far.
        statement: What is said of it.
    """

    found: Registry
    registered: bool
    statement: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReleasePlan:
    """A release that nothing speaks against.

    Args:
        version: "v1.2.0".
        parts: The file that ships, then its variants.
    """

    version: str
    parts: tuple[PlannedArtifact, ...]


class RefusedError(ReleaseError):
    """A release may not be made.

    Args:
        reasons: Every one, each with a hint.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("release", f"{len(reasons)} reasons against it", "none")
        self.reasons = reasons

    def __str__(self) -> str:
        many = "1 reason" if len(self.reasons) == 1 else f"{len(self.reasons)} reasons"
        return "\n".join([f"Not released, for {many}:", *(f"- {said}" for said in self.reasons)])


def check(root: Path, asked: ReleaseRequest) -> ReleasePlan:
    """Look at everything; nothing is changed but that tags of the remote are fetched.

    Args:
        root: The project's folder.
        asked: What the release shall be.

    Raises:
        RefusedError: With every reason.
    """
    git, reasons = Git(root), list[str]()
    known = _variants(root)
    shipped = [Artifact(), *(Artifact(name) for name in known if name not in asked.without)]
    for part in (
        tree(git),
        identity(git),
        _left_behind(known, asked.without),
        _graph(root, shipped),
        _dvc_remote(root),
        git_remote(git, asked.push),
        signing_key(asked.key),
        *(_audited(root, each) for each in shipped),
    ):
        reasons += part
    files = [_described(root, each, reasons) for each in shipped]
    if reasons:
        raise RefusedError(reasons)
    revision = git("rev-parse", "HEAD").strip()
    version = _version(dvc_store.read(git, ARTIFACT), revision, asked.bump)
    return ReleasePlan(
        version=version,
        parts=tuple(
            _part(root, git, each, its, version=version, revision=revision, signed=bool(asked.key))
            for each, its in zip(shipped, files, strict=True)
        ),
    )


def _part(
    root: Path,
    git: Git,
    shipped: Artifact,
    files: dict[str, ReleasedFile],
    *,
    version: str,
    revision: str,
    signed: bool,
) -> PlannedArtifact:
    """What is said of one file; or was said, by an earlier run."""
    found = dvc_store.read(git, shipped.artifact)
    registered = found.versions.get(version)
    if registered:
        if registered.tag.commit != revision:
            said = f"Git: {registered.tag.name} is registered already, of another commit"
            raise RefusedError([f"{said}: commit what differs, and release a higher version"])
        statement = found.envelope(registered).statement
        _same(found.release(registered), files, signed, found, registered)
    else:
        statement = describe(
            read_contract(root / shipped.release / MANIFEST),
            read_audit(root / shipped.reports / AUDIT),
            files,
            artifact=shipped.artifact,
            version=version,
            revision=revision,
            params_sha256=dvc_store.sha256_at(git, revision, "params.yaml"),
        )
    # What we are about to say must be what pullers take.
    parse_release(statement, f"{shipped.artifact}@{version}")
    return PlannedArtifact(found=found, registered=bool(registered), statement=statement)


def refuse(*parts: Iterator[str]) -> None:
    """Raise if there is a reason to.

    Raises:
        RefusedError: With all of them.
    """
    reasons = [reason for part in parts for reason in part]
    if reasons:
        raise RefusedError(reasons)


def tree(git: Git) -> Iterator[str]:
    """A release is of a commit, so everything must be in it."""
    try:
        changed = git("status", "--porcelain", "--untracked-files=all").splitlines()
    except ReleaseError as error:
        yield f"Git: {error.given}: a release is made in a Git repository"
        return
    if changed:
        names = [sanitize(line[3:]) for line in changed[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        yield f"Git: not committed: {', '.join(names)}{more}: `git add` and `git commit`, or undo"


def identity(git: Git) -> Iterator[str]:
    """A tag says who made it."""
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except ReleaseError:
        yield "Git: it does not know who you are: `git config user.name` and `user.email`"


def _variants(root: Path) -> tuple[str, ...]:
    """Those of params.yaml; none if it cannot be read, for which `_audited` gives the reason."""
    # It brings torch, which takes seconds and which no other command here needs.
    from tiprdc.export.onnx_export import ExportConfig

    with contextlib.suppress(TiprdcError):
        return load("export", ExportConfig, root / "params.yaml").variants
    return ()


def _left_behind(known: Sequence[str], without: Sequence[str]) -> Iterator[str]:
    for name in without:
        if name not in known:
            expected = ", ".join(known) or "nothing, for export.variants is empty"
            yield f"--without: {sanitize(name)} is no variant here: {expected}"


def _graph(root: Path, shipped: Sequence[Artifact]) -> Iterator[str]:
    try:
        old = dvc_store.stale(root, [each.stage(_LAST_STAGE) for each in shipped])
    except ReleaseError as error:
        yield f"DVC: {error.given}"
        return
    if old:
        yield f"DVC: out of date: {', '.join(old)}: `dvc repro`, then commit dvc.lock"


def _dvc_remote(root: Path) -> Iterator[str]:
    try:
        dvc_store.remote_of(root)
    except ReleaseError as error:
        yield f"DVC remote: {error.given}: `dvc remote add -d NAME URL`, and see that it answers"


def git_remote(git: Git, push: bool) -> Iterator[str]:
    """Take over what others have released, so that their names are known to be taken."""
    try:
        remotes = git("remote").split()
        if REMOTE in remotes:
            names = [f"refs/tags/{artifact}{sign}*" for artifact in ARTIFACTS for sign in "@#+"]
            specs = [f"{name}:{name}" for name in names]
            git("fetch", "--quiet", "--no-tags", REMOTE, *specs)
        elif push:
            yield f"Git: no remote named {REMOTE}: `git remote add {REMOTE} URL`, or without --push"
    except ReleaseError as error:
        if push or "clobber" in str(error.given):
            yield (
                f"Git remote {REMOTE}: {error.given}: it must answer, and no tag of it may"
                " differ from yours"
            )


def signing_key(path: Path | None) -> Iterator[str]:
    """A key that cannot sign is found before anything is pushed."""
    if path is None:
        return
    try:
        load_private(path)
    except TiprdcError as error:
        yield f"--sign: {error.given}: {error.hint or error.expected}"


def _audited(root: Path, shipped: Artifact) -> Iterator[str]:
    """Manifest, audit and model card, held against each other and the committed settings."""
    from tiprdc.audit.config import AuditConfig
    from tiprdc.audit.release_gate import parity_blockers, release_blockers, variant_blockers
    from tiprdc.export.onnx_export import ExportConfig

    reports, manifest = root / shipped.reports, root / shipped.release / MANIFEST
    if not (reports / CARD).is_file():
        yield f"{shipped.reports}/{CARD}: not there: `dvc repro {shipped.stage(_LAST_STAGE)}`"
    try:
        contract = read_contract(manifest)
        yield from _bytes(root, shipped, contract)
        config = load("export", ExportConfig, root / "params.yaml")
        if shipped.variant:
            of = sha256(root / Artifact().release / MODEL)
            yield from variant_blockers(contract, shipped.variant, of, config.variants_tolerance)
        else:
            yield from parity_blockers(contract, config.tolerance)
        settings = load("audit", AuditConfig, root / "params.yaml")
        where = f"{shipped.reports}/{AUDIT}"
        yield from release_blockers(read_json(root / where), settings, contract, where)
    except TiprdcError as error:
        where = error.where.removeprefix(f"{root}/")
        yield f"{where}: {error.given}: {error.hint or '`dvc repro`'}"


def _bytes(root: Path, shipped: Artifact, contract: Contract) -> Iterator[str]:
    """Files that are not those of the manifest."""
    folder, hint = shipped.release, f"`dvc repro {shipped.stage('export')}`"
    for name, file in contract.files.items():
        path = root / folder / name
        if path.name != name or path.is_symlink() or not path.is_file():
            yield f"{folder}/{sanitize(name)}: not a plain file that is there: {hint}"
        elif (path.stat().st_size, sha256(path)) != (file.bytes, file.sha256):
            yield f"{folder}/{name}: other bytes than its manifest says: {hint}"
    for path in sorted((root / folder).iterdir()):
        if path.name not in {*contract.files, MANIFEST}:
            yield f"{folder}/{sanitize(path.name)}: not in its manifest: {hint}"


def _described(root: Path, shipped: Artifact, reasons: list[str]) -> dict[str, ReleasedFile]:
    """Name in the release -> file; what cannot be described is a reason."""
    try:
        contract = read_contract(root / shipped.release / MANIFEST)
    except DataError:
        return {}
    paths = {name: f"{shipped.release}/{name}" for name in (*contract.files, MANIFEST)}
    paths |= {name: f"{shipped.reports}/{name}" for name in (AUDIT, CARD)}
    with contextlib.suppress(FileNotFoundError):
        return {
            name: ReleasedFile(
                path=path,
                sha256=sha256(root / path),
                size=(root / path).stat().st_size,
            )
            for name, path in paths.items()
        }
    assert reasons
    return {}


def _version(found: Registry, revision: str, bump: Bump) -> str:
    """The next version; or the one that an earlier run registered for this very commit."""
    here = [v for v in found.versions.values() if v.tag.commit == revision]
    if not here:
        return next_version(list(found.versions), bump)
    before = [name for name in found.versions if version_key(name) < version_key(here[0].name)]
    if here[0].name != next_version(before, bump):
        said = f"Git: this commit is registered already, as {here[0].tag.name}"
        raise RefusedError([f"{said}: commit what differs, or promote it"])
    return here[0].name


def _same(
    release: Release,
    files: dict[str, ReleasedFile],
    signed: bool,
    found: Registry,
    version: Version,
) -> None:
    """An earlier run's version may be finished only as what it was begun."""
    if release.files != files:
        raise RefusedError(
            [f"{version.tag.name} is registered here with other bytes: release anew"]
        )
    if version.objection:
        raise RefusedError([f"{version.tag.name} {version.objection}"])
    if signed and not found.envelope(version).signatures:
        raise RefusedError([f"{version.tag.name} is registered unsigned: release a new version"])
