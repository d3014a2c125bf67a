"""Reads LFW as published: faces from the news, their names, and 73 attributes as scores.

    root/lfw*/Aaron_Eckhart/Aaron_Eckhart_0001.jpg ...
    root/lfw_attributes.txt    comment lines with #; the last one names the columns. Then one image
                               a line, tab-separated: person, imagenum and the scores

A score above 0 means yes. Some attributes exclude each other: `GROUPS` offers each such set as one
attribute, whose class is the one with the highest score. The scores are outputs of separate
classifiers and were not checked by people: the labels are noisy, and so is every figure on them.

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

from tiprdc.datasets.manifest.config import UTILITY, ManifestConfig, check_labels
from tiprdc.datasets.manifest.image_paths import list_images
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.tables.files import (
    Source,
    first_names,
    read_lines,
    refuse_duplicates,
    require_columns,
)
from tiprdc.errors import DataError
from tiprdc.settings import Settings

GROUPS = {
    "race": ("Asian", "Black", "Indian", "White"),
    "age": ("Baby", "Child", "Youth", "Middle Aged", "Senior"),
    "hair": ("Black Hair", "Blond Hair", "Brown Hair", "Gray Hair"),
}
"""Attribute of several classes -> the scores that it is made from."""
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
    """Reader of LFW: a manifest whose image paths follow from names and numbers.

    Raises:
        DataError: There is no folder of images, or there are several.
    """
    root = Path(config.root).resolve()
    folder = _image_folder(root, config)
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
    """Read one row for each image that exists and has scores.

    Args:
        path: The file of scores.
        folder: The images, in one folder a person.
        config: The attributes.

    Returns:
        Columns `record`, `person`, and each attribute: no or yes, or a class of its group.

    Raises:
        DataError: A file is absent or not as published.
    """
    existing = list_images(folder, "*/*.jpg", "prepare.lfw.root")
    scores = _read_scores(path)
    groups = [name for name, classes in GROUPS.items() if set(classes) <= set(scores.header)]
    attributes = (*groups, *scores.header[len(_KEYS) :])
    require_columns(config.private, attributes, path.name, "prepare.lfw.private")
    require_columns(config.utility, attributes, path.name, "prepare.lfw.utility")
    people = [row[0].replace(" ", "_") for row in scores.rows]
    numbers = scores.columns(("imagenum",))[:, 0]
    names = [f"{name}/{name}_{int(n):04d}.jpg" for name, n in zip(people, numbers, strict=True)]
    columns = {"record": names, "person": people}
    for name in dict.fromkeys((*config.private, *config.utility)):
        columns[name] = _classes(scores, name)
    table = pd.DataFrame(columns, index=pd.Index(names), dtype=str)
    refuse_duplicates(names, path.name, "prepare.lfw.root")
    complete = table[table.index.isin(existing)]
    if complete.empty:
        raise DataError(
            "prepare.lfw.root",
            f"no image that {path.name} lists is in {folder}",
            "images named as published: Aaron_Eckhart/Aaron_Eckhart_0001.jpg and on",
            "unpack the images there, or name their folder in prepare.lfw.folder",
        )
    absent, unscored = len(table) - len(complete), len(existing) - len(complete)
    notes = []
    if absent:
        notes.append(f"{absent:,} of {len(table):,} pictures with scores are not there.")
    if unscored:
        notes.append(f"{unscored:,} of {len(existing):,} pictures have no scores and are left out.")
    return Source(table=complete, notes=tuple(notes))


@dataclass(frozen=True)
class _Scores:
    """The rows of the score file, as text.

    Args:
        path: The file.
        header: Names of the columns.
        rows: The fields of each row.
        first: Line number of the first row.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    first: int

    def columns(self, names: Sequence[str]) -> NDArray[np.float64]:
        """These columns `[N, len(names)]`, all finite.

        Raises:
            DataError: A value is not a finite number.
        """
        positions = [self.header.index(name) for name in names]
        texts = pd.DataFrame([[row[position] for position in positions] for row in self.rows])
        parsed = texts.apply(pd.to_numeric, errors="coerce")
        numbers: NDArray[np.float64] = parsed.to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(bad):
            raise self.row_error(int(bad[0]), f"has no number for {' or '.join(names)}", "numbers")
        return numbers

    def row_error(self, row: int, given: str, expected: str) -> DataError:
        """The error for a row that is not as published."""
        return DataError(
            "prepare.lfw.root",
            f"{self.path.name}, line {self.first + row:,}, {given}",
            f"{expected} in every row",
            "copy the file again, or correct or delete the line",
        )


def _read_scores(path: Path) -> _Scores:
    lines = read_lines(path, "prepare.lfw.root")
    start = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    # As published, the last comment line names the columns; some copies lack its #.
    start += lines[start : start + 1] != [] and lines[start].startswith("person\t")
    header = lines[start - 1].lstrip("#").strip().split("\t") if start else []
    if tuple(header[: len(_KEYS)]) != _KEYS or start == len(lines):
        raise DataError(
            "prepare.lfw.root",
            f"{path.name} does not name its columns before its rows",
            "the file as published: a line `#`, person, imagenum and the attributes, tab-separated",
            "keep the comment lines at the beginning, and the tabs",
        )
    scores = _Scores(path, header, [line.rstrip().split("\t") for line in lines[start:]], start + 1)
    for number, row in enumerate(scores.rows):
        if len(row) != len(header):
            raise scores.row_error(number, f"has {len(row)} fields", f"{len(header)} fields")
    return scores


def _classes(scores: _Scores, name: str) -> list[str]:
    """The class of each row: that of the highest score in a group, else yes for a score above 0."""
    if name in scores.header:
        return ["yes" if score > 0 else "no" for score in scores.columns((name,))[:, 0]]
    classes = GROUPS[name]
    return [classes[number] for number in scores.columns(classes).argmax(axis=1)]


def _image_folder(root: Path, config: LfwConfig) -> Path:
    if config.folder:
        return root / config.folder
    folders = sorted(path.name for path in root.glob("lfw*") if path.is_dir())
    if len(folders) == 1:
        return root / folders[0]
    raise DataError(
        "prepare.lfw.root",
        f"{root} contains the folders {first_names(folders)}" if folders
        else f"{root} contains no folder lfw*",
        "one folder of images: lfw, lfw_funneled or lfw-deepfunneled",
        "name one of them in prepare.lfw.folder" if folders
        else "unpack the images there; data/lfw/README.md shows the layout",
    )  # fmt: skip
