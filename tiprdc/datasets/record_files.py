"""Files that hold one record each: what every decoder refuses before it opens one."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class UnusableFileError(Exception):
    """A file that is no record; the text is the reason, and holds nothing of its content."""


def require_file(path: Path) -> None:
    """Refuse what is not a readable, ordinary file with something in it.

    Raises:
        UnusableFileError: Says which of these it is.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UnusableFileError("no such file") from None
    except (OSError, ValueError) as error:
        raise UnusableFileError(f"cannot be read ({type(error).__name__})") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFileError("not an ordinary file")
    if status.st_size == 0:
        raise UnusableFileError("an empty file")
    if not os.access(path, os.R_OK):
        raise UnusableFileError("cannot be read (PermissionError)")
