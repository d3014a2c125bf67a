"""Reading a file that a stranger may have put there: an ordinary file, of a bounded size, once.

What was read is what is used afterwards: nobody can swap the file between a check and its use.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tiprdc.documents import printable
from tiprdc.errors import TiprdcError

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link is not followed, and a pipe with nobody at its other end does not hang."""


def read_bytes(path: Path, most: int, error: type[TiprdcError]) -> bytes:
    """Read an ordinary file.

    Args:
        path: Where; the last part of it must not be a symbolic link.
        most: Largest size in bytes.
        error: What to raise.

    Raises:
        TiprdcError: Of the given class: there is no such file, it cannot be read, it is a link, a
            folder, a device or a pipe, or it is too large.
    """
    where = printable(str(path))
    if path.is_symlink():
        raise error(where, "a symbolic link", "an ordinary file", "give the file that it points to")
    try:
        number = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise error(where, "no such file", "a file that exists") from None
    except (OSError, ValueError) as cause:
        given = f"cannot be read ({type(cause).__name__})"
        raise error(where, given, "a file that can be read") from cause
    with os.fdopen(number, "rb") as stream:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise error(where, "a folder, a device or a pipe", "an ordinary file")
        # Read one byte more than allowed: the file may grow after it was measured.
        data = stream.read(most + 1)
    if len(data) > most:
        raise error(where, f"{max(found.st_size, len(data)):,} bytes", f"at most {most:,} bytes")
    return data
