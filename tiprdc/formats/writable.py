"""Checks before minutes of work that its results can be written."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tiprdc.errors import ConfigError


def require_writable(folder: Path, *files: str, option: str = "--out") -> None:
    """Write to a folder, and leave it as it was.

    Args:
        folder: Need not exist.
        files: Names of results; those that are there can be replaced.
        option: The option or the settings that name the folder, for messages.

    Raises:
        ConfigError: The folder cannot be made or written to, or a result cannot be replaced.
    """
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
    except OSError as error:
        given = f"{folder} cannot be written ({error.strerror or type(error).__name__})"
        raise ConfigError(option, given, "a folder that can be written") from None
    finally:
        for path in absent:
            with suppress(OSError):
                path.rmdir()
    for path in (folder / name for name in files):
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise ConfigError(
                option, f"{path} cannot be replaced", "a file of your own, or none",
                "name another folder",
            )  # fmt: skip
