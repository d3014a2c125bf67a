"""Reads CelebA as published: faces of celebrities with 40 attributes, identities, official split.

    root/img_align_celeba/000001.jpg ...
    root/list_attr_celeba.txt        number of images; names of the attributes; one image a line
    root/list_eval_partition.txt     one image a line, with 0 (train), 1 (val) or 2 (test)
    root/identity_CelebA.txt         optional: one image a line, with the number of its person

A part of the images is enough: images that are listed but absent are counted in a note.

Source: Z. Liu, P. Luo, X. Wang and X. Tang, Deep Learning Face Attributes in the Wild, ICCV 2015.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import pandas as pd
from msgspec import Meta

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

_IMAGES = "img_align_celeba"
_ATTRIBUTES = "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"
_IDENTITY = "identity_CelebA.txt"
_CLASSES = {"-1": "no", "1": "yes"}
_SPLITS = {"0": "train", "1": "val", "2": "test"}


class CelebaConfig(Settings, frozen=True, kw_only=True):
    """CelebA, faces of celebrities (`prepare.celeba`)."""

    params_key: ClassVar[str] = "prepare.celeba"

    root: Annotated[
        str,
        Meta(description="Folder that holds img_align_celeba and the published text files."),
    ] = "data/celeba"
    private: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Attributes to hide: names in the second line of list_attr_celeba.txt.",
        ),
    ] = ("Male",)
    utility: Annotated[tuple[str, ...], Meta(description=UTILITY)] = (
        "Smiling",
        "Young",
        "Eyeglasses",
        "Mouth_Slightly_Open",
    )
    identity: Annotated[
        bool,
        Meta(
            description="Whether identity_CelebA.txt says which pictures are of one person; "
            "without it or with false each picture is a person of its own.",
        ),
    ] = True
    split: Annotated[
        bool,
        Meta(description="Whether to use the official split; false: people divided at random."),
    ] = True
    size: Annotated[
        int,
        Meta(
            ge=8, le=512,
            description="Height and width in pixels; pictures, 178 x 218 as published, are "
            "stretched to it.",
        ),
    ] = 64  # fmt: skip

    def _check(self) -> None:
        check_labels("prepare.celeba", self.private, self.utility)


def celeba_reader(config: CelebaConfig) -> ManifestReader:
    """Reader of CelebA: a manifest whose table is written in several files."""
    root = Path(config.root).resolve()
    manifest = ManifestConfig(
        path=str(root / _ATTRIBUTES),
        root=str(root / _IMAGES),
        modality="image",
        x=("record",),
        private=config.private,
        utility=config.utility,
        person="person",
        split="split" if config.split else None,
        size=config.size,
    )
    return ManifestReader(manifest, "prepare.celeba", partial(read_celeba, root, config))


def read_celeba(root: Path, config: CelebaConfig) -> Source:
    """Read the published files as one row for each listed image that exists.

    Args:
        root: The folder of the published files.
        config: The attributes, and whether identities and the official split are used.

    Returns:
        Columns `record`, `person`, `split` if it is used, and each attribute as no or yes.

    Raises:
        DataError: A file is absent, not as published, or lacks images of the attributes' file.
    """
    existing = list_images(root / _IMAGES, "*.jpg", "prepare.celeba.root")
    table = _read_attributes(root / _ATTRIBUTES, config)
    listed = len(table)
    names = table.index.tolist()
    partition = _read_codes(root / _PARTITION, names, _SPLITS) if config.split else None
    has_identity = config.identity and (root / _IDENTITY).exists()
    table["person"] = _read_codes(root / _IDENTITY, names) if has_identity else names
    table["record"] = names
    table = table[table.index.isin(existing)]
    notes = [] if has_identity else ["No identities: each picture is a person of its own."]
    if table.empty:
        raise DataError(
            "prepare.celeba.root",
            f"no image that {_ATTRIBUTES} lists is in {_IMAGES}",
            "images named as published: 000001.jpg and on",
            f"unpack {_IMAGES}.zip into {root}",
        )
    if len(table) < listed:
        notes.append(f"{listed - len(table):,} of {listed:,} listed pictures are not there.")
    if partition is None:
        return Source(table=table, notes=tuple(notes))
    table = table.assign(split=partition)
    present = set(table["split"])
    has_official_split = present >= {"train", "test"}
    if not has_official_split:
        notes.append(
            f"The pictures are of the official {' and '.join(sorted(present))} split alone: their "
            "people are divided at random."
        )
    return Source(table=table, notes=tuple(notes), has_official_split=has_official_split)


def _read_attributes(path: Path, config: CelebaConfig) -> pd.DataFrame:
    """The attributes that the config names, as no and yes; the index names the images."""
    where = "prepare.celeba.root"
    lines = read_lines(path, where)
    if len(lines) < 3 or not lines[0].strip().isdecimal():
        raise DataError(
            where,
            f"{path.name} does not begin with the number of images and the attributes' names",
            "the file as published",
            "keep the first two lines of the file",
        )
    names = lines[1].split()
    require_columns(config.private, names, path.name, "prepare.celeba.private")
    require_columns(config.utility, names, path.name, "prepare.celeba.utility")
    announced, rows = int(lines[0]), len(lines) - 2
    if rows != announced:
        raise DataError(
            where,
            f"{path.name} has {rows:,} rows, but its first line says {announced:,}",
            "the number of rows in the first line",
            "copy the file again, or correct its first line",
        )
    attributes = dict.fromkeys((*config.private, *config.utility))
    positions = {name: 1 + names.index(name) for name in attributes}
    images: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in attributes}
    for number, line in enumerate(lines[2:], start=3):
        fields = line.split()
        labels = {name: fields[n] for name, n in positions.items() if n < len(fields)}
        if len(fields) != len(names) + 1 or not set(labels.values()) <= set(_CLASSES):
            raise DataError(
                where,
                f"{path.name}, line {number:,}, is not an image with {len(names)} attributes",
                "an image's name, then -1 or 1 for each attribute",
                "copy the file again, or correct the line",
            )
        images.append(fields[0])
        for name, label in labels.items():
            columns[name].append(_CLASSES[label])
    refuse_duplicates(images, path.name, where)
    return pd.DataFrame(columns, index=pd.Index(images), dtype=str)


def _read_codes(
    path: Path, images: list[str], meanings: dict[str, str] | None = None
) -> pd.Series[str]:
    """Read a file of two columns, an image and a number.

    Args:
        path: The file.
        images: The images that it must contain, in the order of the result.
        meanings: Number -> value, for the numbers that may occur; None takes any number as it is.

    Returns:
        The value of each image.
    """
    where = "prepare.celeba.root"
    names: list[str] = []
    values: list[str] = []
    for number, line in enumerate(read_lines(path, where), start=1):
        fields = line.split()
        valid = len(fields) == 2 and (fields[1] in meanings if meanings else fields[1].isdecimal())
        if not valid:
            codes = ", ".join(f"{code} ({value})" for code, value in (meanings or {}).items())
            raise DataError(
                where,
                f"{path.name}, line {number:,}, is not an image with a known number",
                f"an image's name, then {codes or 'the number of a person'}",
                "copy the file again, or correct the line",
            )
        names.append(fields[0])
        values.append(meanings[fields[1]] if meanings else fields[1])
    refuse_duplicates(names, path.name, where)
    column = pd.Series(values, index=pd.Index(names), dtype=str).reindex(images)
    missing = column.index[column.isna()].tolist()
    if missing:
        key = "split" if meanings else "identity"
        raise DataError(
            where,
            f"{path.name} lacks {len(missing):,} images of {_ATTRIBUTES}: {first_names(missing)}",
            f"every image of {_ATTRIBUTES}",
            f"copy both files again from one source, or set prepare.celeba.{key} to false",
        )
    return column
