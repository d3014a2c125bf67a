"""Lists the pictures that a device brings; whatever is in a folder has features or a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.images import is_picture, read_image
from tiprdc.datasets.manifest.image_paths import SUFFIXES, is_path, resolve_paths
from tiprdc.errors import DataError
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import Contract
from tiprdc.runtime.text_files import read_lines

_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
_NO_PICTURES = (
    ".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".html", ".log", ".yaml", ".yml", ".py",
    ".onnx", ".npz", ".parquet",
)  # fmt: skip
"""Endings of files beside pictures; any other file without a picture is one without features."""
_NAMED = 5
_INPUT = "a folder, a picture, or a .txt with one path a line"


class ImageFile(NamedTuple):
    """A file or folder that was listed.

    Args:
        id: Its name in the output.
        path: Where it is.
        reason: Why it has no features, where that is known before it is opened.
    """

    id: str
    path: Path
    reason: str = ""


def image_decoder(contract: Contract) -> Callable[[Path], NDArray[np.uint8]]:
    """The function that reads a file as a release's record `[3, N, N]`.

    It raises `tiprdc.datasets.images.ImageError` for a picture that cannot be used.

    Raises:
        DataError: The release takes no square pictures of three channels.
    """
    size, background = picture_format(contract)
    return lambda path: read_image(path, size, background)


def picture_format(contract: Contract) -> tuple[int, str]:
    """Height and width of a release's pictures, and the background of transparent pixels.

    Raises:
        DataError: The release takes no square pictures of three channels.
    """
    decoding, shape = contract.input.decoding, contract.input_shape
    if decoding is None:
        raise DataError("manifest.json", f"the release takes {contract.modality}, not pictures")
    channels, height, width = shape
    if channels != 3 or height != width:
        given = f"the release takes images of shape {channels} x {height} x {width}"
        raise DataError("manifest.json", given, "3 x N x N")
    return width, decoding.background


def list_images(path: Path) -> tuple[list[ImageFile], tuple[str, ...]]:
    """The files of a folder and its subfolders in sorted order, one file, or those of a list.

    Args:
        path: A folder, a picture, or a .txt of paths that are relative to its own folder.

    Returns:
        The files, and notes on what else is in the folder.

    Raises:
        DataError: It is something else, or a list of which no line names a file.
    """
    if path.is_dir():
        return _list_folder(path)
    if path.suffix.lower() in SUFFIXES or is_picture(path):
        return [ImageFile(_as_unicode(path.name), path)], ()
    if path.suffix.lower() == ".txt":
        return _read_list(path), ()
    given = "neither a picture nor a list of pictures"
    raise DataError(sanitize(str(path)), given, _INPUT, "give a list the ending .txt")


def _list_folder(top: Path) -> tuple[list[ImageFile], tuple[str, ...]]:
    files: list[ImageFile] = []
    hidden: list[str] = []
    others: list[str] = []

    def name_of(path: Path) -> str:
        return _as_unicode(path.relative_to(top).as_posix())

    def add_unreadable(error: OSError) -> None:
        path = Path(error.filename)
        reason = f"a folder that cannot be read ({type(error).__name__})"
        files.append(ImageFile(name_of(path), path, reason))

    for folder, subfolders, names in os.walk(top, onerror=add_unreadable):
        hidden += filter(_is_hidden, (*subfolders, *names))
        subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
        for path in (Path(folder, name) for name in subfolders):
            if path.is_symlink():
                reason = "a link to a folder, which is not followed"
                files.append(ImageFile(name_of(path), path, reason))
        for path in (Path(folder, name) for name in names if not _is_hidden(name)):
            if path.name.lower().endswith(_NO_PICTURES) and not is_picture(path):
                others.append(name_of(path))
            else:
                files.append(ImageFile(name_of(path), path))
    return sorted(files), tuple(_folder_notes(hidden, sorted(others)))


def _folder_notes(hidden: list[str], others: list[str]) -> Iterator[str]:
    if hidden:
        yield f"Hidden and system files and folders, which are not read: {len(hidden):,}"
    if others:
        listed = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        yield f"Files that are not pictures, and have no features: {len(others):,} ({listed})"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _read_list(path: Path) -> list[ImageFile]:
    numbered = [(number, line.strip()) for number, line in enumerate(read_lines(path), start=1)]
    numbered = [(number, line) for number, line in numbered if line]
    lines = [line for _, line in numbered]
    resolved = resolve_paths(lines, path.parent)
    if resolved.none_found:
        raise DataError(
            sanitize(str(path)),
            f"none of its first {len(resolved.missing):,} lines names a file",
            "one path of a picture a line, absolute or relative to the folder of the list",
            "move the list to the folder that its paths begin in",
        )
    ambiguous, missing = set(resolved.ambiguous), set(resolved.missing)
    files = []
    for position, (number, line) in enumerate(numbered):
        # What names no file may be anything, so it is shown only if it looks like a path.
        shown = position not in missing or is_path(line)
        name = _as_unicode(line) if shown else f"line {number}"
        reason = "it could mean several files" if position in ambiguous else ""
        files.append(ImageFile(name, path.parent / resolved.paths[position], reason))
    return files


def _as_unicode(name: str) -> str:
    """A file's name as Unicode; bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
