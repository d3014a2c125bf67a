"""Files that may come from a stranger: read, or refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, cast

from tiprdc.errors import DataError, TiprdcError

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    r"\ufeff\ufffe\uffff]"
)
"""Control characters, direction overrides and lone surrogates: what a name may do to a page."""

_MOST_JSON = 2**26
"""Bytes of a JSON file: far above any audit or manifest."""


def read_json(path: Path, *, links: bool = True) -> dict[str, Any]:
    """Read a JSON object; names come from strangers, so that no text in it can rewrite a terminal.

    Args:
        path: The file.
        links: Whether it may be a symbolic link, as DVC makes them where a cache is shared.

    Raises:
        DataError: There is no such file, or it holds something else: another encoding, a key twice,
            more than 64 MiB, or lists in lists in lists without end.
    """
    data = read_bytes(path, _MOST_JSON, DataError, links=links)
    where = sanitize(str(path))
    try:
        raw = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
        if not isinstance(raw, dict):
            raise DataError(where, f"a JSON {type(raw).__name__}", "a JSON object")
        return cast(dict[str, Any], _printable(raw))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        given = f"cannot be read as JSON ({type(error).__name__})"
        raise DataError(where, given, "a JSON file") from error


def read_bytes(path: Path, most: int, error: type[TiprdcError], *, links: bool = False) -> bytes:
    """Read an ordinary file, once: what was read is what is used, so that nobody can swap it.

    Args:
        path: Where.
        most: Largest size in bytes.
        error: What to raise.
        links: Whether its last part may be a symbolic link.

    Raises:
        TiprdcError: Of the given class: there is no such file, it cannot be read, it is a folder,
            a device, a pipe, or a link where none may be, or it is too large.
    """
    where = sanitize(str(path))
    try:
        if not links and path.is_symlink():
            raise error(where, "a symbolic link", "an ordinary file", "put the file itself there")
        # A link that appears now is not followed; a pipe with nobody at its end does not hang.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        number = os.open(path, flags if links else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise error(where, "no such file", "a file that exists") from None
    except OSError as cause:
        given = f"cannot be read ({type(cause).__name__})"
        raise error(where, given, "a file that can be read") from cause
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):
        os.close(number)
        raise error(where, "a folder, a device or a pipe", "an ordinary file")
    with os.fdopen(number, "rb") as stream:
        if found.st_size > most:
            raise error(where, f"{found.st_size:,} bytes", f"at most {most:,} bytes")
        # It may grow after it was measured.
        data = stream.read(most + 1)
    if len(data) > most:
        raise error(where, "a file that grows", f"at most {most:,} bytes")
    return data


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sanitize(text: str) -> str:
    """Text without what could rewrite a terminal or turn a line around."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice is read differently by different programs."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _printable(value: object) -> object:
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value
