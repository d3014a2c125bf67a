"""Release checks; each yields every failure, so that a refusal lists all reasons at once."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pipelines.artifacts import Artifact
from pipelines.params.load import load
from tiprdc.errors import ReleaseError, TiprdcError
from tiprdc.formats.files import read_json, sanitize, sha256
from tiprdc.formats.manifest import MODEL, VARIANTS, Contract, artifact_of, read_contract
from tiprdc.formats.release_statement import AUDIT, CARD, MANIFEST
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
from tiprdc.registry.signing import load_private, tracked_private_keys
from tiprdc.registry.tags import tag_patterns

Stage = Literal["staging", "prod"]
"""Lifecycle stages."""

ARTIFACT = artifact_of(None)
ARTIFACTS = (ARTIFACT, *map(artifact_of, VARIANTS))
REMOTE = "origin"
_LAST_STAGE = "card"
_SHOWN = 5


class RefusedError(ReleaseError):
    """A release is refused.

    Args:
        reasons: All of them, each with the step that helps.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("release", f"{len(reasons)} reasons against it")
        self.reasons = reasons

    def __str__(self) -> str:
        count = "1 reason" if len(self.reasons) == 1 else f"{len(self.reasons)} reasons"
        return "\n".join([f"Not released, for {count}:", *(f"- {text}" for text in self.reasons)])


def refuse(*checks: Iterator[str]) -> None:
    """Run checks.

    Raises:
        RefusedError: There is at least one reason; it has all of them.
    """
    reasons = [reason for check in checks for reason in check]
    if reasons:
        raise RefusedError(reasons)


def tree(git: Git) -> Iterator[str]:
    """Everything is committed: a release belongs to a commit."""
    try:
        changed = git("status", "--porcelain", "--untracked-files=all").splitlines()
    except ReleaseError as error:
        yield f"Git: {error.given}: run this in a Git repository"
        return
    if changed:
        names = [sanitize(line[3:]) for line in changed[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        yield f"Git: not committed: {', '.join(names)}{more}: `git add` and `git commit`, or undo"


def private_keys(git: Git) -> Iterator[str]:
    """No private key is in Git: whoever clones the repository could sign with it."""
    with contextlib.suppress(ReleaseError):
        for name in map(sanitize, tracked_private_keys(git)):
            yield (
                f"Git: {name} is a private key: `git rm {shlex.quote(name)}`, commit, and make"
                " another key, because the history keeps this one"
            )


def identity(git: Git) -> Iterator[str]:
    """Git knows the user: a tag names its author."""
    try:
        git("var", "GIT_COMMITTER_IDENT")
    except ReleaseError:
        yield "Git: no user is configured: `git config user.name NAME` and `git config user.email`"


def configured_variants(root: Path) -> tuple[str, ...]:
    """Variants in params.yaml; () if it cannot be read, for which `audited` gives the reason."""
    # Imports torch, which takes seconds; no other command here needs it.
    from tiprdc.export.onnx_export import ExportConfig

    with contextlib.suppress(TiprdcError):
        return load("export", ExportConfig, root / "params.yaml").variants
    return ()


def unknown_variants(known: Sequence[str], without: Sequence[str]) -> Iterator[str]:
    """`--without` names configured variants."""
    for name in without:
        if name not in known:
            expected = ", ".join(known) or "none, because export.variants is empty"
            yield f"--without: {sanitize(name)} is no variant here: {expected}"


def graph(root: Path, artifacts: Sequence[Artifact]) -> Iterator[str]:
    """DVC finds nothing out of date up to the model card."""
    try:
        stale = dvc_store.stale(root, [artifact.stage(_LAST_STAGE) for artifact in artifacts])
    except ReleaseError as error:
        yield f"DVC: {error.given}"
        return
    if stale:
        yield f"DVC: out of date: {', '.join(stale)}: `dvc repro`, then commit dvc.lock"


def dvc_remote(root: Path) -> Iterator[str]:
    """A DVC remote is set and answers."""
    try:
        dvc_store.remote_path(root)
    except ReleaseError as error:
        yield f"DVC remote: {error.given}: `dvc remote add -d NAME URL`, and check that it answers"


def git_remote(git: Git, push: bool) -> Iterator[str]:
    """The Git remote answers, if tags are pushed; fetches its tags, whose names are taken."""
    try:
        remotes = git("remote").split()
        if REMOTE in remotes:
            git.fetch_tags(REMOTE, [p for name in ARTIFACTS for p in tag_patterns(name)])
        elif push:
            yield f"Git: no remote named {REMOTE}: `git remote add {REMOTE} URL`, or without --push"
    except ReleaseError as error:
        if push or "clobber" in str(error.given):
            yield (
                f"Git remote {REMOTE}: {error.given}: it must answer, and none of its tags may"
                " differ from yours"
            )


def signing_key(path: Path | None) -> Iterator[str]:
    """The key can sign; checked before anything is pushed."""
    if path is None:
        return
    try:
        load_private(path)
    except TiprdcError as error:
        yield f"--sign: {error.given}: {error.hint or error.expected}"


def audited(root: Path, artifact: Artifact) -> Iterator[str]:
    """Manifest, audit and model card agree with each other and with the committed settings."""
    from tiprdc.audit.config import AuditConfig
    from tiprdc.audit.release_gate import parity_blockers, release_blockers, variant_blockers
    from tiprdc.export.onnx_export import ExportConfig

    reports, manifest = root / artifact.reports, root / artifact.release / MANIFEST
    if not (reports / CARD).is_file():
        yield f"{artifact.reports}/{CARD}: missing: `dvc repro {artifact.stage(_LAST_STAGE)}`"
    try:
        contract = read_contract(manifest)
        yield from _file_bytes(root, artifact, contract)
        config = load("export", ExportConfig, root / "params.yaml")
        if artifact.variant:
            of = sha256(root / Artifact().release / MODEL)
            yield from variant_blockers(contract, artifact.variant, of, config.variants_tolerance)
        else:
            yield from parity_blockers(contract, config.tolerance)
        settings = load("audit", AuditConfig, root / "params.yaml")
        where = f"{artifact.reports}/{AUDIT}"
        yield from release_blockers(read_json(root / where), settings, contract, where)
    except TiprdcError as error:
        where = error.where.removeprefix(f"{root}/")
        yield f"{where}: {error.given}: {error.hint or '`dvc repro`'}"


def _file_bytes(root: Path, artifact: Artifact, contract: Contract) -> Iterator[str]:
    """The files are those of the manifest."""
    folder, hint = artifact.release, f"`dvc repro {artifact.stage('export')}`"
    for name, file in contract.files.items():
        path = root / folder / name
        if path.name != name or not path.is_file():
            yield f"{folder}/{sanitize(name)}: missing, or not a plain file: {hint}"
        elif path.is_symlink():
            yield f"{folder}/{name}: a link, not a plain file: `dvc unprotect {folder}`"
        elif (path.stat().st_size, sha256(path)) != (file.bytes, file.sha256):
            yield f"{folder}/{name}: differs from its manifest: {hint}"
    for path in sorted((root / folder).iterdir()):
        if path.name not in {*contract.files, MANIFEST}:
            yield f"{folder}/{sanitize(path.name)}: not in its manifest: {hint}"
