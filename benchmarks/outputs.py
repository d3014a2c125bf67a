"""Options of benchmarks that name results: tried before the hours of work."""

from __future__ import annotations

from pathlib import Path

import typer

from tiprdc.errors import ConfigError
from tiprdc.formats.writable import require_writable


def writable_file(path: Path) -> Path:
    """A callback for an option that names a file.

    Raises:
        typer.BadParameter: The file cannot be written.
    """
    return _checked(path, path.parent, path.name)


def writable_folder(path: Path | None) -> Path | None:
    """A callback for an option that names a folder, or nothing.

    Raises:
        typer.BadParameter: The folder cannot be written.
    """
    return path and _checked(path, path)


def _checked(path: Path, folder: Path, *files: str) -> Path:
    try:
        require_writable(folder, *files)
    except ConfigError as error:
        raise typer.BadParameter(f"{error.given}; expected: {error.expected}") from None
    return path
