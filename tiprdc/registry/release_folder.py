"""A release's folder: writes its statement, and checks every file against the statement."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec

from tiprdc.errors import DataError, ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.envelope import Envelope, parse_envelope
from tiprdc.formats.files import read_bytes, sanitize, sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.formats.release_statement import (
    AUDIT,
    BOM,
    MANIFEST,
    STATEMENT,
    Release,
    ReleasedFile,
)

_MOST_STATEMENT = 2**21
_PULL_AGAIN = "do not use it: pull it again"
_NOT_PULLED = "give a folder that `tiprdc pull` wrote"


def write_statement(envelope: Envelope, release: Release, folder: Path) -> None:
    """Write the envelope and the bill of materials beside the released files."""
    document = json.dumps(msgspec.to_builtins(envelope), indent=1, sort_keys=True)
    (folder / STATEMENT).write_text(document + "\n")
    (folder / BOM).write_text(bom_text(release.bom))


def read_envelope(folder: Path) -> Envelope:
    """The envelope in a release's folder; its signatures are not checked here.

    Raises:
        ReleaseError: There is none, or it cannot be read.
    """
    path = folder / STATEMENT
    if path.is_symlink() or not path.is_file():
        raise ReleaseError(str(path), "no such file", hint=_NOT_PULLED)
    data = read_bytes(path, _MOST_STATEMENT, ReleaseError)
    return parse_envelope(data.decode("utf-8", "replace"), str(path))


def check(folder: Path, release: Release) -> None:
    """Compare every file with the statement, and the audit with the model.

    Args:
        folder: With the release's files, the statement and the bill of materials, nothing else.
        release: Its statement.

    Raises:
        ReleaseError: A file is missing, unknown, a link, changed, or about another model.
    """
    _check_listing(folder, {*release.files, STATEMENT, BOM})
    for name, file in release.files.items():
        _check_file(folder / name, file)
    if (folder / BOM).read_bytes() != bom_text(release.bom).encode():
        raise ReleaseError(str(folder / BOM), "differs from the statement", hint=_PULL_AGAIN)
    check_audit(folder / AUDIT, folder / MANIFEST, release)


def check_audit(audit_file: Path, manifest: Path, release: Release) -> None:
    """Check that the audit has the verdict PASS and is about exactly the released model.

    Raises:
        ReleaseError: It has another verdict, or is about other bytes than the statement.
    """
    try:
        audit, contract = read_audit(audit_file), read_contract(manifest)
    except DataError as error:
        raise ReleaseError(error.where, error.given, error.expected, _PULL_AGAIN) from error
    expected = ("PASS", release.model_sha256, release.audit.suite_version)
    actual = (audit.verdict, audit.model_sha256, audit.suite_version)
    if actual != expected or release.audit.verdict != "PASS":
        raise ReleaseError(
            str(audit_file), f"{audit.verdict} of model {audit.model_sha256[:12]}",
            f"PASS of model {release.model_sha256[:12]} by suite {release.audit.suite_version}",
            "do not use it: no passed audit belongs to this model",
        )  # fmt: skip
    model = (contract.model_sha256, contract.data_digest)
    if model != (release.model_sha256, release.training_data.digest):
        raise ReleaseError(str(manifest), "about another model or other data", hint=_PULL_AGAIN)


def bom_text(bom: dict[str, Any]) -> str:
    """Content of the file with the bill of materials."""
    return json.dumps(bom, indent=2, sort_keys=True) + "\n"


def _check_listing(folder: Path, expected: set[str]) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise ReleaseError(str(folder), "no such folder, or a link to one", hint=_NOT_PULLED)
    entries = {entry.name: entry for entry in os.scandir(folder)}
    for name in sorted(expected - set(entries)):
        raise ReleaseError(str(folder / name), "missing", hint=_PULL_AGAIN)
    for name in sorted(set(entries) - expected):
        path = str(folder / sanitize(name))
        raise ReleaseError(path, "not a file of the release", hint="remove it from the folder")
    for name, entry in sorted(entries.items()):
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            raise ReleaseError(str(folder / name), "a link or a folder", "a file", _PULL_AGAIN)


def _check_file(path: Path, file: ReleasedFile) -> None:
    size = path.stat().st_size
    if size != file.size:
        more = "more than " if size > file.size else ""
        given = f"{more}{min(size, file.size):,} bytes; the statement has {file.size:,}"
        raise ReleaseError(str(path), given, hint=_PULL_AGAIN)
    digest = sha256(path)
    if digest != file.sha256:
        given = f"sha256 {digest[:12]}; the statement has {file.sha256[:12]}"
        raise ReleaseError(str(path), given, hint=_PULL_AGAIN)
