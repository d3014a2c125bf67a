"""What is said of a release: one JSON document, kept in the annotated tag that makes the version.

The tag is the release: a version without its files' digests, its audit's verdict and its revision
cannot be written down. Whatever comes from a repository is a stranger's, and is checked here before
a name of it touches a disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NoReturn

from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sanitize

STATEMENT_VERSION = 1
STATEMENT = "release.json"
BOM = "bom.cdx.json"
"""Names in a pulled folder that come from the statement itself."""

MODEL, MANIFEST, AUDIT, CARD = "extractor.onnx", "manifest.json", "audit.json", "model_card.md"
"""Files that every release has."""

MOST_BYTES = 4 * 2**30
_MOST_TEXT = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_SHA256, _REVISION = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ALLOWED = f"a release statement of version {STATEMENT_VERSION}"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A statement and the signatures under it, each with `key` and `ed25519`."""

    statement: dict[str, Any]
    signatures: tuple[dict[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """One file of a release.

    Args:
        path: Where it is in the repository, with slashes.
        sha256: 64 hex digits.
        size: Bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Release:
    """A statement whose every field that anybody acts on was checked.

    Args:
        artifact: Name in the registry.
        version: "v1.2.0".
        revision: Git commit that made the files.
        released: Time in UTC, ISO 8601.
        files: Name in the release -> file.
        params_sha256: Of params.yaml at the revision.
        data_digest: Of the training data.
        verdict, suite_version: Of the audit.
        limits: Private attribute -> (upper bound of the strongest attack, limit), in [0, 1].
        variant: Of a variant, its name and the sha256 of the file that it was made of; else None.
        utility_loss: Mean over unseen tasks, in points of balanced accuracy / 100; None if unknown.
        raw: The whole document.
    """

    artifact: str
    version: str
    revision: str
    released: str
    files: dict[str, ReleasedFile]
    params_sha256: str
    dataset: str
    data_digest: str
    verdict: str
    suite_version: str
    limits: dict[str, tuple[float, float]]
    utility_loss: float | None
    variant: tuple[str, str] | None
    raw: dict[str, Any]

    @property
    def model_sha256(self) -> str:
        """Digest of the ONNX file."""
        return self.files[MODEL].sha256


def version_key(version: str) -> tuple[int, int, int]:
    """Numbers of "v1.2.0", to sort by.

    Raises:
        ReleaseError: It is no such version.
    """
    found = _VERSION.fullmatch(version)
    if not found:
        raise ReleaseError("version", repr(sanitize(version)), "e.g. v1.2.0")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def parse_envelope(text: str, where: str) -> Envelope:
    """Read an envelope's JSON.

    Raises:
        ReleaseError: It is none.
    """
    if len(text) > _MOST_TEXT:
        raise ReleaseError(where, f"{len(text):,} characters", f"at most {_MOST_TEXT:,}")
    try:
        raw = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
        statement, signatures = raw["statement"], raw["signatures"]
        if not isinstance(statement, dict) or not isinstance(signatures, list):
            raise TypeError("statement and signatures")
        return Envelope(
            statement=statement,
            signatures=tuple({k: _text(s[k]) for k in ("key", "ed25519")} for s in signatures),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReleaseError(
            where, f"no statement can be read from it ({type(error).__name__})", _ALLOWED
        ) from error


def parse_release(raw: dict[str, Any], where: str) -> Release:
    """Check a statement's fields.

    Raises:
        ReleaseError: A field is missing, of another type, or means harm.
    """
    version = raw.get("statement_version")
    if version != STATEMENT_VERSION:
        raise ReleaseError(where, f"statement_version {sanitize(str(version))}", _ALLOWED)
    try:
        return _release(raw, where)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ReleaseError):
            raise
        said = sanitize(str(error))
        raise ReleaseError(
            where, f"not a release: {type(error).__name__} {said}", _ALLOWED
        ) from error


def _release(raw: Mapping[str, Any], where: str) -> Release:
    audit = raw["audit"]
    version_key(_text(raw["version"]))
    files = {_text(name): _file(entry) for name, entry in raw["files"].items()}
    _check_names(files, where)
    if not isinstance(raw["bom"], dict):
        raise TypeError("bom")
    return Release(
        artifact=_matching(_NAME, raw["artifact"]),
        version=raw["version"],
        revision=_matching(_REVISION, raw["revision"]),
        released=_text(raw["released"]),
        files=files,
        params_sha256=_matching(_SHA256, raw["params_sha256"]),
        dataset=_text(raw["training_data"]["dataset"]),
        data_digest=_text(raw["training_data"]["digest"]),
        verdict=_text(audit["verdict"]),
        suite_version=_text(audit["suite_version"]),
        limits={
            _text(name): (float(found["high"]), float(found["limit"]))
            for name, found in audit["attributes"].items()
        },
        utility_loss=None if audit["utility_loss"] is None else float(audit["utility_loss"]),
        variant=_variant(raw.get("variant")),
        raw=dict(raw),
    )


def _variant(raw: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """A statement from before there were variants says nothing of them."""
    return None if raw is None else (_matching(_NAME, raw["name"]), _matching(_SHA256, raw["of"]))


def _file(entry: Mapping[str, Any]) -> ReleasedFile:
    path, size = _text(entry["path"]), entry["bytes"]
    parts = PurePosixPath(path).parts
    if path != "/".join(parts) or not all(map(_NAME.fullmatch, parts)):
        raise ValueError("a path that leaves the repository")
    if type(size) is not int or not 0 <= size <= MOST_BYTES:
        raise ValueError("a size out of range")
    return ReleasedFile(path=path, sha256=_matching(_SHA256, entry["sha256"]), size=size)


def _check_names(files: Mapping[str, ReleasedFile], where: str) -> None:
    """Plain names only, none of them twice on a file system that ignores case."""
    for name in files:
        if not _NAME.fullmatch(name) or name in (STATEMENT, BOM):
            raise ReleaseError(where, f"a file named {sanitize(name)!r}", "plain file names")
    if len({name.casefold() for name in files}) != len(files):
        raise ReleaseError(
            where, "two files whose names differ in case alone", "names of their own"
        )
    missing = {MODEL, MANIFEST, AUDIT, CARD} - set(files)
    if missing:
        raise ReleaseError(where, f"no {', '.join(sorted(missing))}", "every file of a release")
    if sum(file.size for file in files.values()) > MOST_BYTES:
        raise ReleaseError(where, "more bytes than any release has", f"at most {MOST_BYTES:,}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text belongs")
    return sanitize(value)


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("a name or a digest that is none")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may disagree on which of two equal keys counts; so neither does."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key that is there twice")
    return dict(pairs)
