"""LFW: faces found in the news, with the name of each, and 73 attributes as scores of classifiers.

    root/lfw*/Aaron_Eckhart/Aaron_Eckhart_0001.jpg ...
    root/lfw_attributes.txt    lines that begin with #, of which the last names the columns; then
                               person, imagenum and the scores of a picture a line, tab-separated

A score above 0 means yes. Some attributes exclude each other: `GROUPS` offers each set of them as
one, whose class is the attribute of the highest score. The scores come from separate classifiers
and no person has checked them: such labels are noisy, and so is every figure about them.

Sources: G. Huang, M. Ramesh, T. Berg and E. Learned-Miller, Labeled Faces in the Wild, 2007;
N. Kumar, A. Berg, P. Belhumeur and S. Nayar, Attribute and Simile Classifiers for Face
Verification, ICCV 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from msgspec import Meta
from numpy.typing import NDArray

from tiprdc.datasets.images import list_pictures
from tiprdc.datasets.manifest import UTILITY, ManifestConfig, ManifestReader, check_labels
from tiprdc.datasets.table_files import Source, read_lines, refuse_repeats, require_columns, shown
from tiprdc.errors import DataError
from tiprdc.settings import Settings

GROUPS = {
    "race": ("Asian", "Black", "Indian", "White"),
    "age": ("Baby", "Child", "Youth", "Middle Aged", "Senior"),
    "hair": ("Black Hair", "Blond Hair", "Brown Hair", "Gray Hair"),
}
"""One attribute of several classes -> the scores that it is made of."""
_ATTRIBUTES = "lfw_attributes.txt"
_KEYS = ("person", "imagenum")


class LfwConfig(Settings, frozen=True, kw_only=True):
    """LFW, faces in the news (`prepare.lfw`)."""

    params_key: ClassVar[str] = "prepare.lfw"

    root: Annotated[
        str, Meta(description="Folder that holds a folder of pictures and lfw_attributes.txt.")
    ] = "data/lfw"
    folder: Annotated[
        str,
        Meta(
            description="Folder of pictures in root, such as lfw-deepfunneled; empty: the only one "
            "whose name begins with lfw.",
        ),
    ] = ""
    private: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Attributes to hide: columns of lfw_attributes.txt, or race, age, hair.",
        ),
    ] = ("Male",)
    utility: Annotated[tuple[str, ...], Meta(description=UTILITY)] = (
        "Smiling",
        "White",
        "Mouth Slightly Open",
        "Eyeglasses",
    )
    size: Annotated[
        int,
        Meta(
            ge=8, le=512,
            description="Height and width in pixels; pictures, 250 x 250 as published, are "
            "stretched to it.",
        ),
    ] = 64  # fmt: skip

    def _check(self) -> None:
        check_labels("prepare.lfw", self.private, self.utility)


def lfw_reader(config: LfwConfig) -> ManifestReader:
    """LFW is a manifest whose paths follow from names and numbers.

    Raises:
        DataError: The folder of pictures is not there, or it is not clear which it is.
    """
    root = Path(config.root).resolve()
    folder = _folder(root, config)
    manifest = ManifestConfig(
        path=str(root / _ATTRIBUTES),
        root=str(folder),
        modality="image",
        x=("record",),
        private=config.private,
        utility=config.utility,
        person="person",
        split=None,
        size=config.size,
    )
    load = partial(read_lfw, root / _ATTRIBUTES, folder, config)
    return ManifestReader(manifest, "prepare.lfw", load)


def read_lfw(path: Path, folder: Path, config: LfwConfig) -> Source:
    """One row for each picture that is there and has scores.

    Args:
        path: The file of scores.
        folder: The pictures, a folder a person.
        config: Which attributes.

    Returns:
        Columns `record`, `person`, and each attribute: no or yes, or a class of its group.

    Raises:
        DataError: A file is not there or not as published.
    """
    there = list_pictures(folder, "*/*.jpg", "prepare.lfw.root")
    scores = _read_scores(path)
    groups = [name for name, parts in GROUPS.items() if set(parts) <= set(scores.header)]
    offered = (*groups, *scores.header[len(_KEYS) :])
    require_columns(config.private, offered, path.name, "prepare.lfw.private")
    require_columns(config.utility, offered, path.name, "prepare.lfw.utility")
    people = [row[0].replace(" ", "_") for row in scores.rows]
    numbers = scores.of(("imagenum",))[:, 0]
    names = [f"{who}/{who}_{int(n):04d}.jpg" for who, n in zip(people, numbers, strict=True)]
    columns = {"record": names, "person": people}
    for name in dict.fromkeys((*config.private, *config.utility)):
        columns[name] = _classes(scores, name)
    table = pd.DataFrame(columns, index=pd.Index(names), dtype=str)
    refuse_repeats(names, path.name, "prepare.lfw.root")
    kept = table[table.index.isin(there)]
    if kept.empty:
        raise DataError(
            "prepare.lfw.root",
            f"no picture that {path.name} lists is in {folder}",
            "pictures named as published: Aaron_Eckhart/Aaron_Eckhart_0001.jpg and on",
            "unpack the pictures there, or name their folder in prepare.lfw.folder",
        )
    absent, unscored = len(table) - len(kept), len(there) - len(kept)
    notes = []
    if absent:
        notes.append(f"{absent:,} of {len(table):,} pictures with scores are not there.")
    if unscored:
        notes.append(f"{unscored:,} of {len(there):,} pictures have no scores and are left out.")
    return Source(table=kept, notes=tuple(notes))


@dataclass(frozen=True)
class _Scores:
    """The file's rows, as text.

    Args:
        path: The file.
        header: Names of the columns.
        rows: The fields of each row.
        first: Number of the first row's line.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    first: int

    def of(self, names: Sequence[str]) -> NDArray[np.float64]:
        """These columns `[N, len(names)]`, all finite."""
        places = [self.header.index(name) for name in names]
        texts = pd.DataFrame([[row[place] for place in places] for row in self.rows])
        parsed = texts.apply(pd.to_numeric, errors="coerce")
        numbers: NDArray[np.float64] = parsed.to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(bad):
            raise self.refusal(int(bad[0]), f"has no number for {' or '.join(names)}", "numbers")
        return numbers

    def refusal(self, row: int, given: str, expected: str) -> DataError:
        """What is wrong with a row."""
        return DataError(
            "prepare.lfw.root",
            f"{self.path.name}, line {self.first + row:,}, {given}",
            f"{expected} in every row",
            "copy the file again, or fix or delete the line",
        )


def _read_scores(path: Path) -> _Scores:
    lines = read_lines(path, "prepare.lfw.root")
    start = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    # As published the last line of comment names the columns; some copies have lost its mark.
    start += lines[start : start + 1] != [] and lines[start].startswith("person\t")
    header = lines[start - 1].lstrip("#").strip().split("\t") if start else []
    if tuple(header[: len(_KEYS)]) != _KEYS or start == len(lines):
        raise DataError(
            "prepare.lfw.root",
            f"{path.name} does not name its columns before its rows",
            "the file as published: a line `#`, person, imagenum and the attributes, tab-separated",
            "keep the lines that it begins with, and its tabs",
        )
    scores = _Scores(path, header, [line.rstrip().split("\t") for line in lines[start:]], start + 1)
    for number, row in enumerate(scores.rows):
        if len(row) != len(header):
            raise scores.refusal(number, f"has {len(row)} fields", f"{len(header)} fields")
    return scores


def _classes(scores: _Scores, name: str) -> list[str]:
    """The class of each row: the highest of a group's scores, else whether the score is above 0."""
    if name in scores.header:
        return ["yes" if score > 0 else "no" for score in scores.of((name,))[:, 0]]
    parts = GROUPS[name]
    return [parts[number] for number in scores.of(parts).argmax(axis=1)]


def _folder(root: Path, config: LfwConfig) -> Path:
    if config.folder:
        return root / config.folder
    found = sorted(path.name for path in root.glob("lfw*") if path.is_dir())
    if len(found) == 1:
        return root / found[0]
    raise DataError(
        "prepare.lfw.root",
        f"{root} holds the folders {shown(found)}" if found else f"{root} holds no folder lfw*",
        "one folder of pictures: lfw, lfw_funneled or lfw-deepfunneled",
        "name one of them in prepare.lfw.folder" if found
        else "unpack the pictures there; data/lfw/README.md shows the layout",
    )  # fmt: skip
