"""What speaks against a release: everything is looked at, and every reason given at once.

A version that an earlier run registered for the same commit is taken up, not made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.params import load
from tiprdc import registry
from tiprdc.contract import Contract, read_contract
from tiprdc.describing import describe
from tiprdc.documents import printable, read_json, sha256
from tiprdc.errors import DataError, ReleaseError, TiprdcError
from tiprdc.findings import read_audit
from tiprdc.git import Git
from tiprdc.signing import load_private
from tiprdc.statement import (
    AUDIT,
    CARD,
    MANIFEST,
    Release,
    ReleasedFile,
    parse_release,
    version_key,
)
from tiprdc.versions import Bump, Registry, Version, next_version

Stage = Literal["staging", "prod"]

ARTIFACT = "extractor"
REMOTE = "origin"
RELEASE, REPORTS = "artifacts/release", "reports"
_LAST_STAGE = "card"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a release shall be.

    Args:
        bump: Part of the version that rises.
        stage: Lifecycle stage that it enters, or None.
        key: Private key to sign with, or None.
        push: Whether tags go to the Git remote.
    """

    bump: Bump
    stage: Stage | None = None
    key: Path | None = None
    push: bool = False


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A release that nothing speaks against.

    Args:
        found: The registry.
        version: "v1.2.0".
        registered: Whether its tag is there already: an earlier run got that far.
        statement: What is said of it.
    """

    found: Registry
    version: str
    registered: bool
    statement: dict[str, Any]


class RefusedError(ReleaseError):
    """A release may not be made.

    Args:
        reasons: Every one, each with its mend.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("release", f"{len(reasons)} reasons against it", "none")
        self.reasons = reasons

    def __str__(self) -> str:
        many = "1 reason" if len(self.reasons) == 1 else f"{len(self.reasons)} reasons"
        return "\n".join([f"Not released, for {many}:", *(f"- {said}" for said in self.reasons)])


def check(root: Path, asked: Asked) -> Ready:
    """Look at everything; nothing is changed but that tags of the remote are fetched.

    Args:
        root: The project's folder.
        asked: What the release shall be.

    Raises:
        RefusedError: With every reason.
    """
    git, reasons = Git(root), list[str]()
    for part in (
        tree(git),
        identity(git),
        _graph(root),
        _dvc_remote(root),
        git_remote(git, asked.push),
        signing_key(asked.key),
        _audited(root),
    ):
        reasons += part
    files = _described(root, reasons)
    if reasons:
        raise RefusedError(reasons)
    found = registry.read(git, ARTIFACT)
    revision = git("rev-parse", "HEAD").strip()
    version, registered = _version(found, revision, asked.bump)
    if registered:
        statement = found.envelope(registered).statement
        _same(found.release(registered), files, bool(asked.key), found, registered)
    else:
        statement = describe(
            read_contract(root / RELEASE / MANIFEST),
            read_audit(root / REPORTS / AUDIT),
            files,
            artifact=ARTIFACT,
            version=version,
            revision=revision,
            params_sha256=registry.sha256_at(git, revision, "params.yaml"),
        )
    # What we are about to say must be what pullers take.
    parse_release(statement, f"{ARTIFACT}@{version}")
    return Ready(found=found, version=version, registered=bool(registered), statement=statement)


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
        names = [printable(line[3:]) for line in changed[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        yield f"Git: not committed: {', '.join(names)}{more}: `git add` and `git commit`, or undo"


def identity(git: Git) -> Iterator[str]:
    """A tag says who made it."""
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except ReleaseError:
        yield "Git: it does not know who you are: `git config user.name` and `user.email`"


def _graph(root: Path) -> Iterator[str]:
    try:
        old = registry.stale(root, _LAST_STAGE)
    except ReleaseError as error:
        yield f"DVC: {error.given}"
        return
    if old:
        yield f"DVC: out of date: {', '.join(old)}: `dvc repro`, then commit dvc.lock"


def _dvc_remote(root: Path) -> Iterator[str]:
    try:
        registry.remote_of(root)
    except ReleaseError as error:
        yield f"DVC remote: {error.given}: `dvc remote add -d NAME URL`, and see that it answers"


def git_remote(git: Git, push: bool) -> Iterator[str]:
    """Take over what others have released, so that their names are known to be taken."""
    try:
        remotes = git("remote").split()
        if REMOTE in remotes:
            specs = [f"refs/tags/{ARTIFACT}{sign}*:refs/tags/{ARTIFACT}{sign}*" for sign in "@#+"]
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
        yield f"--sign: {error.given}: {error.mend or error.allowed}"


def _audited(root: Path) -> Iterator[str]:
    """Manifest, audit and model card, held against each other and the committed settings."""
    # They bring torch, which takes seconds and which no other command here needs.
    from tiprdc.audit.config import AuditConfig
    from tiprdc.export import ExportConfig
    from tiprdc.gate import audit_objections, parity_objections

    reports, manifest = root / REPORTS, root / RELEASE / MANIFEST
    if not (reports / CARD).is_file():
        yield f"{REPORTS}/{CARD}: not there: `dvc repro card`"
    try:
        contract = read_contract(manifest)
        yield from _bytes(root, contract)
        config = load("export", ExportConfig, root / "params.yaml")
        yield from parity_objections(contract, config.tolerance)
        settings = load("audit", AuditConfig, root / "params.yaml")
        where = f"{REPORTS}/{AUDIT}"
        yield from audit_objections(read_json(root / where), settings, contract, where)
    except TiprdcError as error:
        where = error.where.removeprefix(f"{root}/")
        yield f"{where}: {error.given}: {error.mend or '`dvc repro`'}"


def _bytes(root: Path, contract: Contract) -> Iterator[str]:
    """Files that are not those of the manifest."""
    for name, (digest, size) in contract.files.items():
        path = root / RELEASE / name
        if path.name != name or path.is_symlink() or not path.is_file():
            yield f"{RELEASE}/{printable(name)}: not a plain file that is there: `dvc repro export`"
        elif (path.stat().st_size, sha256(path)) != (size, digest):
            yield f"{RELEASE}/{name}: other bytes than its manifest says: `dvc repro export`"
    for path in sorted((root / RELEASE).iterdir()):
        if path.name not in {*contract.files, MANIFEST}:
            yield f"{RELEASE}/{printable(path.name)}: not in its manifest: `dvc repro export`"


def _described(root: Path, reasons: list[str]) -> dict[str, ReleasedFile]:
    """Name in the release -> file; what cannot be described is a reason."""
    try:
        contract = read_contract(root / RELEASE / MANIFEST)
    except DataError:
        return {}
    paths = {name: f"{RELEASE}/{name}" for name in (*contract.files, MANIFEST)}
    paths |= {AUDIT: f"{REPORTS}/{AUDIT}", CARD: f"{REPORTS}/{CARD}"}
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


def _version(found: Registry, revision: str, bump: Bump) -> tuple[str, Version | None]:
    """The next version; or the one that an earlier run registered for this very commit."""
    here = [v for v in found.versions.values() if v.tag.commit == revision]
    if not here:
        return next_version(list(found.versions), bump), None
    before = [name for name in found.versions if version_key(name) < version_key(here[0].name)]
    if here[0].name != next_version(before, bump):
        said = f"Git: this commit is registered already, as {here[0].tag.name}"
        raise RefusedError([f"{said}: commit what differs, or promote it"])
    return here[0].name, here[0]


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
