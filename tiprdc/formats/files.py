"""Reads untrusted files with limits on size, kind and content, and hashes files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from pathlib import Path
from typing import Any, cast

from tiprdc.errors import DataError, TiprdcError

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    r"\ufeff\ufffe\uffff]"
)
"""Control characters, direction overrides and lone surrogates: they can falsify a page."""

_MOST_JSON_BYTES = 2**26
"""Far above any audit or manifest."""


def read_json(path: Path, *, links: bool = True) -> dict[str, Any]:
    """Read a JSON object from an untrusted file; its texts are sanitized for terminals.

    Args:
        path: The file.
        links: Whether it may be a symbolic link, as DVC makes them for a shared cache.

    Raises:
        DataError: There is no such file, or it is not a JSON object in UTF-8, has a key twice, is
            larger than 64 MiB, or is nested too deeply.
    """
    data = read_bytes(path, _MOST_JSON_BYTES, DataError, links=links)
    where = sanitize(str(path))
    try:
        raw = json.loads(data.decode("utf-8"), object_pairs_hook=_unique_keys)
        if not isinstance(raw, dict):
            raise DataError(where, f"a JSON {type(raw).__name__}", "a JSON object")
        return cast(dict[str, Any], _sanitized(raw))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        given = f"cannot be read as JSON ({type(error).__name__})"
        raise DataError(where, given, "a JSON file") from error


def read_bytes(path: Path, most: int, error: type[TiprdcError], *, links: bool = False) -> bytes:
    """Read an ordinary file once: the caller uses these bytes, so that nobody can swap the file.

    Args:
        path: The file.
        most: Largest size in bytes.
        error: Class of the errors.
        links: Whether the last part of the path may be a symbolic link.

    Raises:
        TiprdcError: Of the given class. There is no such file, or it cannot be read, is a folder,
            a device, a pipe or a forbidden link, or is too large.
    """
    where = sanitize(str(path))
    try:
        if not links and path.is_symlink():
            raise error(where, "a symbolic link", "an ordinary file", _link_hint(path))
        # A link that appears now is not followed; opening a pipe without a writer does not block.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        number = os.open(path, flags if links else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise error(where, "no such file", "a file that exists") from None
    except OSError as cause:
        given = f"cannot be read ({type(cause).__name__})"
        raise error(where, given, "a file that can be read") from cause
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise error(where, "a folder, a device or a pipe", "an ordinary file")
    with os.fdopen(number, "rb") as stream:
        if status.st_size > most:
            raise error(where, f"{status.st_size:,} bytes", f"at most {most:,} bytes")
        # The file may grow after its size was read.
        data = stream.read(most + 1)
    if len(data) > most:
        raise error(where, "a file that grows", f"at most {most:,} bytes")
    return data


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sanitize(text: str) -> str:
    """Text without characters that rewrite a terminal or reverse a line."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _link_hint(path: Path) -> str:
    # DVC's cache keeps a file as files/md5/AB/CDEF...
    if path.readlink().parts[-4:-2] == ("files", "md5"):
        folder = shlex.quote(sanitize(str(path.parent)))
        return f"DVC linked it into its cache: run `dvc unprotect {folder}`"
    return "put the file itself there"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Different programs read a repeated key differently."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _sanitized(value: object) -> object:
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, list):
        return [_sanitized(item) for item in value]
    if isinstance(value, dict):
        return {_sanitized(key): _sanitized(item) for key, item in value.items()}
    return value
