"""A release's folder: written whole or not at all, and checked against its statement.

Files are written into a new folder beside the target and brought to disk; one rename makes them the
target. What a killed run leaves beside it is locked by nobody, and the next run takes it away.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiprdc.errors import ConfigError, DataError, ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.formats.release_statement import (
    AUDIT,
    BOM,
    MANIFEST,
    STATEMENT,
    Envelope,
    Release,
    ReleasedFile,
    parse_envelope,
    parse_release,
)

_CHANGED = "do not use it: pull it again"


@contextlib.contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """A new folder that becomes `target` if nothing is raised, and else is gone.

    Args:
        target: Folder that is not there yet, or is empty; its parent is there.

    Raises:
        ConfigError: The target is taken, or a link leads to it.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  # links are refused, not followed
    _check_target(target)
    prefix = f".{target.name}.arriving-"
    _remove_stale(target.parent, prefix)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    lock = _locked(work)
    try:
        payload = work / "payload"
        payload.mkdir()
        yield payload
        _to_disk(payload)
        _check_target(target)
        payload.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise ConfigError(
            str(target), error.strerror or "cannot be written", "a folder that can be made"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def write_statement(envelope: Envelope, folder: Path) -> None:
    """Keep what was said of the release beside its files, and the bill of materials in it."""
    document = {"signatures": list(envelope.signatures), "statement": envelope.statement}
    (folder / STATEMENT).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (folder / BOM).write_text(bom_text(envelope.statement["bom"]))


def read_statement(folder: Path) -> tuple[Envelope, Release]:
    """What was said of the release in a folder.

    Raises:
        ReleaseError: Nothing, or it cannot be read.
    """
    where = folder / STATEMENT
    if where.is_symlink() or not where.is_file():
        raise ReleaseError(str(where), "no such file", "a folder that `tiprdc pull` wrote")
    if where.stat().st_size > 2**21:
        raise ReleaseError(str(where), "too large for a statement", "at most 2 MiB")
    envelope = parse_envelope(where.read_text(encoding="utf-8", errors="replace"), str(where))
    return envelope, parse_release(envelope.statement, str(where))


def check(folder: Path, release: Release) -> None:
    """Hold every file against the statement, and the audit against the model.

    Args:
        folder: With the release's files, the statement and the bill of materials, nothing else.
        release: What is said of it.

    Raises:
        ReleaseError: A file is missing, too many, a link, changed, or about another model.
    """
    _check_listing(folder, {*release.files, STATEMENT, BOM})
    for name, file in release.files.items():
        _check_file(folder / name, file)
    if (folder / BOM).read_bytes() != bom_text(release.raw["bom"]).encode():
        raise ReleaseError(str(folder / BOM), "changed", "what the statement holds", _CHANGED)
    check_audit(folder / AUDIT, folder / MANIFEST, release)


def check_audit(audit_file: Path, manifest: Path, release: Release) -> None:
    """Whether the audit says PASS of the very model that is released.

    Raises:
        ReleaseError: It says something else, or is about other bytes than the statement.
    """
    try:
        audit, contract = read_audit(audit_file), read_contract(manifest)
    except DataError as error:
        raise ReleaseError(error.where, error.given, error.expected, _CHANGED) from error
    said = (audit.verdict, audit.model_sha256, audit.suite_version)
    if said != ("PASS", release.model_sha256, release.suite_version) or release.verdict != "PASS":
        raise ReleaseError(
            str(audit_file), f"{audit.verdict} of model {audit.model_sha256[:12]}",
            f"PASS of model {release.model_sha256[:12]} by suite {release.suite_version}",
            "a release without a passed audit is none",
        )  # fmt: skip
    if contract.model_sha256 != release.model_sha256 or contract.data_digest != release.data_digest:
        raise ReleaseError(str(manifest), "about another model", "the released one", _CHANGED)


def bom_text(bom: dict[str, Any]) -> str:
    """The bill of materials as its file has it."""
    return json.dumps(bom, indent=2, sort_keys=True) + "\n"


def _check_listing(folder: Path, wanted: set[str]) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise ReleaseError(str(folder), "no folder", "a folder that `tiprdc pull` wrote")
    found = {entry.name: entry for entry in os.scandir(folder)}
    for name in sorted(wanted - set(found)):
        raise ReleaseError(str(folder / name), "missing", "every file of the release", _CHANGED)
    for name in sorted(set(found) - wanted):
        raise ReleaseError(
            str(folder / sanitize(name)), "not of the release", "its files alone", "take it away"
        )
    for name, entry in sorted(found.items()):
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            raise ReleaseError(str(folder / name), "a link or a folder", "a plain file", _CHANGED)


def _check_file(path: Path, file: ReleasedFile) -> None:
    size = path.stat().st_size
    if size != file.size:
        more = "more than " if size > file.size else ""
        given = f"{more}{min(size, file.size):,} bytes"
        raise ReleaseError(
            str(path), given, f"{file.size:,} bytes, as the statement says", _CHANGED
        )
    found = sha256(path)
    if found != file.sha256:
        raise ReleaseError(
            str(path),
            f"sha256 {found[:12]}",
            f"{file.sha256[:12]}, as the statement says",
            _CHANGED,
        )


def _check_target(target: Path) -> None:
    for place in (target, *target.parents):
        if place.is_symlink():
            raise ConfigError(
                str(place), "a link", "a path without links", f"give {target.resolve()}"
            )
    if not target.parent.is_dir():
        raise ConfigError(str(target.parent), "no such folder", "a folder that is there")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigError(
            str(target), "is there already", "a new folder", "choose another, or take it away"
        )


def _remove_stale(parent: Path, prefix: str) -> None:
    """Take away what killed runs left: nobody holds its lock any more."""
    for left in (entry for entry in parent.iterdir() if entry.name.startswith(prefix)):
        with contextlib.suppress(OSError):
            lock = _locked(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock until it is closed, or its process dies."""
    import fcntl  # not on Windows, where a folder can still be checked

    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _to_disk(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o644)
        _sync(path)
    folder.chmod(0o755)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
