"""Lists the files that a device brings; whatever is in a folder has features or a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tiprdc.datasets.manifest.image_paths import is_path, resolve_paths
from tiprdc.errors import DataError
from tiprdc.formats.files import sanitize
from tiprdc.runtime.text_files import read_lines

_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
_OTHERS = (
    ".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".html", ".log", ".yaml", ".yml", ".py",
    ".onnx", ".npz", ".parquet",
)  # fmt: skip
"""Endings of files beside records; any other file that is no record is one without features."""
_NAMED = 5


class FileKind(NamedTuple):
    """What the files of a release's records are.

    Args:
        one, many: In messages.
        suffixes: Endings in small letters.
        looks_like: Whether a file begins as one.
    """

    one: str
    many: str
    suffixes: tuple[str, ...]
    looks_like: Callable[[Path], bool]


class ListedFile(NamedTuple):
    """A file or folder that was listed.

    Args:
        id: Its name in the output.
        path: Where it is.
        reason: Why it has no features, where that is known before it is opened.
    """

    id: str
    path: Path
    reason: str = ""


def list_files(path: Path, kind: FileKind) -> tuple[list[ListedFile], tuple[str, ...]]:
    """The files of a folder and its subfolders in sorted order, one file, or those of a list.

    Args:
        path: A folder, a file, or a .txt of paths that are relative to its own folder.
        kind: What is looked for.

    Returns:
        The files, and notes on what else is in the folder.

    Raises:
        DataError: It is something else, or a list of which no line names a file.
    """
    if path.is_dir():
        return _list_folder(path, kind)
    if path.suffix.lower() in kind.suffixes or kind.looks_like(path):
        return [ListedFile(_as_unicode(path.name), path)], ()
    if path.suffix.lower() == ".txt":
        lines = ((f"line {number}", line) for number, line in enumerate(read_lines(path), 1))
        named = [(name, line.strip()) for name, line in lines]
        return list_paths(path, [(name, line) for name, line in named if line], kind), ()
    given = f"neither a {kind.one} nor a list of {kind.many}"
    expected = f"a folder, a {kind.one}, or a .txt with one path a line"
    raise DataError(sanitize(str(path)), given, expected, "give a list the ending .txt")


def _list_folder(top: Path, kind: FileKind) -> tuple[list[ListedFile], tuple[str, ...]]:
    files: list[ListedFile] = []
    hidden: list[str] = []
    others: list[str] = []

    def name_of(path: Path) -> str:
        return _as_unicode(path.relative_to(top).as_posix())

    def add_unreadable(error: OSError) -> None:
        path = Path(error.filename)
        reason = f"a folder that cannot be read ({type(error).__name__})"
        files.append(ListedFile(name_of(path), path, reason))

    for folder, subfolders, names in os.walk(top, onerror=add_unreadable):
        hidden += filter(_is_hidden, (*subfolders, *names))
        subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
        for path in (Path(folder, name) for name in subfolders):
            if path.is_symlink():
                reason = "a link to a folder, which is not followed"
                files.append(ListedFile(name_of(path), path, reason))
        for path in (Path(folder, name) for name in names if not _is_hidden(name)):
            if path.name.lower().endswith(_OTHERS) and not kind.looks_like(path):
                others.append(name_of(path))
            else:
                files.append(ListedFile(name_of(path), path))
    return sorted(files), tuple(_folder_notes(hidden, sorted(others), kind))


def _folder_notes(hidden: list[str], others: list[str], kind: FileKind) -> Iterator[str]:
    if hidden:
        yield f"Hidden and system files and folders, which are not read: {len(hidden):,}"
    if others:
        listed = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        yield f"Files that are not {kind.many}, and have no features: {len(others):,} ({listed})"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def list_paths(path: Path, paths: list[tuple[str, str]], kind: FileKind) -> list[ListedFile]:
    """The files of a list or a table.

    Args:
        path: The list, whose folder relative paths begin in.
        paths: Name of a line or row, and the path there.
        kind: What is looked for.

    Raises:
        DataError: No path names a file.
    """
    resolved = resolve_paths([line for _, line in paths], path.parent)
    if resolved.none_found:
        where = "lines" if path.suffix.lower() == ".txt" else "rows"
        raise DataError(
            sanitize(str(path)),
            f"none of its first {len(resolved.missing):,} {where} names a file",
            f"paths of {kind.many}, absolute or relative to the folder of the list",
            "move the list to the folder that its paths begin in",
        )
    ambiguous, missing = set(resolved.ambiguous), set(resolved.missing)
    files = []
    for position, (name, line) in enumerate(paths):
        # What names no file may be anything, so it is shown only if it looks like a path.
        shown = position not in missing or is_path(line)
        reason = "it could mean several files" if position in ambiguous else ""
        file = path.parent / resolved.paths[position]
        files.append(ListedFile(_as_unicode(line) if shown else name, file, reason))
    return files


def _as_unicode(name: str) -> str:
    """A file's name as Unicode; bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
