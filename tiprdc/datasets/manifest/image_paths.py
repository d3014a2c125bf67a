"""Finds the files that paths of pictures mean, also paths that another system wrote.

Another system separates folders with a backslash, ignores case, or decomposes accents (NFD).
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tiprdc.errors import DataError, suggestion

SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pnm", ".pbm", ".mpo", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""Endings, in small letters, by which a column of paths or a list of files is known as pictures."""
FIRST = 300
"""Paths after which the others are not tried if all are missing so far."""
_SAMPLE = 20
_MOST_FOLDERS = 200
_MOST_FILES = 500_000
"""In a root that is searched; in a larger one each path must be exact."""
_PATH = re.compile(r"[^\n\r\t]{1,200}\.[A-Za-z0-9]{1,5}")
_LAYOUT_HINT = "the data set's README.md in data/ shows the layout"


@dataclass(frozen=True)
class ResolvedPaths:
    """What paths mean.

    Args:
        paths: Relative to the root, with the file's own name where it was found.
        missing: Positions of paths that name no file.
        ambiguous: Positions of paths that could name several files.
        none_found: Whether all of the first `FIRST` paths are missing; the others were not tried.
    """

    paths: list[str]
    missing: list[int] = field(default_factory=list)
    ambiguous: list[int] = field(default_factory=list)
    none_found: bool = False


def is_path(cell: str) -> bool:
    """Whether a text is a path that a message may show, not the content of a record."""
    return cell.isprintable() and _PATH.fullmatch(cell) is not None


def resolve_paths(paths: Sequence[str], root: Path) -> ResolvedPaths:
    """Find each path's file; a path that names none is compared without regard to its system.

    Args:
        paths: Relative to the root, or absolute.
        root: An existing folder. It is searched only if a path names no file.
    """
    resolved = ResolvedPaths(list(paths))
    lookups: list[Callable[[str], list[str]]] | None = None
    for position, path in enumerate(paths):
        if _is_file(root / path):
            continue
        if lookups is None:
            lookups = _lookups(root)
        matches: list[str] = next(filter(None, (lookup(path) for lookup in lookups)), [])
        if len(matches) == 1:
            resolved.paths[position] = matches[0]
        else:
            (resolved.ambiguous if matches else resolved.missing).append(position)
        if len(resolved.missing) == min(FIRST, len(paths)) == position + 1:
            return replace(resolved, none_found=True)
    return resolved


def refuse_wrong_root(
    missing: int, paths: Sequence[str], root: Path, where: str, kind: str = "pictures"
) -> None:
    """Refuse paths of which more than half are missing: then the root is wrong.

    Args:
        missing: How many of the paths name no file.
        paths: All that were looked up.
        root: The folder that they are relative to.
        where: The key that names the root, for messages.
        kind: What the files are in messages.

    Raises:
        DataError: Names the folder that has them, if it is near.
    """
    present = len(paths) - missing
    if missing <= present:
        return
    raise DataError(
        where,
        f"{present:,} of the first {len(paths):,} {kind} are in {root}",
        "the folder that the paths are relative to",
        _near_root(paths[:_SAMPLE], root, where, kind) or f"is {where} right?",
    )


def list_images(folder: Path, pattern: str, where: str) -> set[str]:
    """Paths of the images in a folder, relative to it, with slashes.

    Args:
        folder: Where to look.
        pattern: Glob pattern of the paths, e.g. `*.jpg` or `*/*.jpg`.
        where: The key that leads to the folder, for messages.

    Raises:
        DataError: The folder does not exist, or no file in it matches.
    """
    if not folder.is_dir():
        near = suggestion(folder.name, [p.name for p in folder.parent.glob("*") if p.is_dir()])
        raise DataError(
            where,
            f"{folder} is not a folder on this machine",
            "a folder of images",
            near or f"check the path; {_LAYOUT_HINT}",
        )
    paths = {path.relative_to(folder).as_posix() for path in folder.glob(pattern)}
    if not paths:
        raise DataError(
            where,
            f"{folder} contains no images {pattern}",
            "images in the published layout",
            f"unpack the images there; {_LAYOUT_HINT}",
        )
    return paths


def _lookups(root: Path) -> list[Callable[[str], list[str]]]:
    """Ways to find the files of a path, the strictest first."""
    walk = (
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
    )
    files = list(itertools.islice(walk, _MOST_FILES + 1))
    if len(files) > _MOST_FILES:
        return []
    return [_lookup(files, _without_system), _lookup(files, _without_case)]


def _lookup(files: Iterable[str], key: Callable[[str], str]) -> Callable[[str], list[str]]:
    by_key: dict[str, list[str]] = defaultdict(list)
    for file in files:
        by_key[key(file)].append(file)
    return lambda path: by_key.get(key(path), [])


def _without_system(path: str) -> str:
    return posixpath.normpath(unicodedata.normalize("NFC", path.strip().replace("\\", "/")))


def _without_case(path: str) -> str:
    return unicodedata.normalize("NFC", _without_system(path).casefold())


def _near_root(paths: Sequence[str], root: Path, where: str, kind: str) -> str:
    """A hint that was tried: another folder, or shorter paths, with which most are files."""
    plain = [_without_system(path) for path in paths]
    inside = sorted(path for path in root.iterdir() if path.is_dir())[:_MOST_FOLDERS]
    for folder in (*inside, *list(root.parents)[:2]):
        if _share(plain, folder) > 0.5:
            return f"the {kind} are in {folder}: set {where} to it"
    for count in range(1, 6):
        shorter = ["/".join(path.lstrip("/").split("/")[count:]) for path in plain]
        if _share(shorter, root) > 0.5:
            folders = f"the first {count} folders of each" if count > 1 else "each first folder"
            return f"the {kind} are there without {folders}: cut that off the paths"
    return ""


def _share(paths: Sequence[str], root: Path) -> float:
    return sum(bool(path) and _is_file(root / path) for path in paths) / len(paths)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
