"""CelebA: faces of celebrities with 40 attributes, a split by person, and who is who, as published.

    root/img_align_celeba/000001.jpg ...
    root/list_attr_celeba.txt        the number of pictures; the attributes' names; a picture a line
    root/list_eval_partition.txt     a picture and 0 (train), 1 (val) or 2 (test) a line
    root/identity_CelebA.txt         optional: a picture and the number of a person a line

Some of the pictures will do: what is listed and not there is counted and said.

Source: Z. Liu, P. Luo, X. Wang and X. Tang, Deep Learning Face Attributes in the Wild, ICCV 2015.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import pandas as pd
from msgspec import Meta

from tiprdc.datasets.images import list_pictures
from tiprdc.datasets.manifest import UTILITY, ManifestConfig, ManifestReader, check_labels
from tiprdc.datasets.table_files import Source, read_lines, refuse_repeats, require_columns, shown
from tiprdc.errors import DataError
from tiprdc.settings import Settings

_PICTURES = "img_align_celeba"
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
    """CelebA is a manifest that is written in several files."""
    root = Path(config.root).resolve()
    manifest = ManifestConfig(
        path=str(root / _ATTRIBUTES),
        root=str(root / _PICTURES),
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
    """One row for each picture that is listed and there.

    Args:
        root: The folder.
        config: Which attributes, and which of the files count.

    Returns:
        Columns `record`, `person`, `split` if it counts, and each attribute as no or yes.

    Raises:
        DataError: A file is not there, not as published, or disagrees with the attributes' file.
    """
    there = list_pictures(root / _PICTURES, "*.jpg", "prepare.celeba.root")
    table = _read_attributes(root / _ATTRIBUTES, config)
    listed = len(table)
    names = table.index.tolist()
    partition = _read_codes(root / _PARTITION, names, _SPLITS) if config.split else None
    known = config.identity and (root / _IDENTITY).exists()
    table["person"] = _read_codes(root / _IDENTITY, names) if known else names
    table["record"] = names
    table = table[table.index.isin(there)]
    notes = [] if known else ["No identities: each picture is a person of its own."]
    if table.empty:
        raise DataError(
            "prepare.celeba.root",
            f"no picture that {_ATTRIBUTES} lists is in {_PICTURES}",
            "pictures named as published: 000001.jpg and on",
            f"unpack {_PICTURES}.zip into {root}",
        )
    if len(table) < listed:
        notes.append(f"{listed - len(table):,} of {listed:,} listed pictures are not there.")
    if partition is None:
        return Source(table=table, notes=tuple(notes))
    table = table.assign(split=partition)
    present = set(table["split"])
    official = present >= {"train", "test"}
    if not official:
        notes.append(
            f"The pictures are of the official {' and '.join(sorted(present))} split alone: their "
            "people are divided at random."
        )
    return Source(table=table, notes=tuple(notes), official=official)


def _read_attributes(path: Path, config: CelebaConfig) -> pd.DataFrame:
    """The attributes asked for, as no and yes, by picture."""
    where = "prepare.celeba.root"
    lines = read_lines(path, where)
    if len(lines) < 3 or not lines[0].strip().isdecimal():
        raise DataError(
            where,
            f"{path.name} does not begin with the number of pictures and the attributes' names",
            "the file as published",
            "keep its first two lines",
        )
    names = lines[1].split()
    require_columns(config.private, names, path.name, "prepare.celeba.private")
    require_columns(config.utility, names, path.name, "prepare.celeba.utility")
    announced, rows = int(lines[0]), len(lines) - 2
    if rows != announced:
        raise DataError(
            where,
            f"{path.name} has {rows:,} rows, and its first line says {announced:,}",
            "as many rows as the first line says",
            "copy it again, or put the number of rows into its first line",
        )
    asked = dict.fromkeys((*config.private, *config.utility))
    places = {name: 1 + names.index(name) for name in asked}
    pictures: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in asked}
    for number, line in enumerate(lines[2:], start=3):
        fields = line.split()
        labels = {name: fields[place] for name, place in places.items() if place < len(fields)}
        if len(fields) != len(names) + 1 or not set(labels.values()) <= set(_CLASSES):
            raise DataError(
                where,
                f"{path.name}, line {number:,}, is not a picture with {len(names)} attributes",
                "a picture's name, then -1 or 1 for each attribute",
                "copy the file again, or fix the line",
            )
        pictures.append(fields[0])
        for name, label in labels.items():
            columns[name].append(_CLASSES[label])
    refuse_repeats(pictures, path.name, where)
    return pd.DataFrame(columns, index=pd.Index(pictures), dtype=str)


def _read_codes(
    path: Path, pictures: list[str], meaning: dict[str, str] | None = None
) -> pd.Series[str]:
    """What a file of two columns says of each picture; without a meaning, any number is itself."""
    where = "prepare.celeba.root"
    named: list[str] = []
    codes: list[str] = []
    for number, line in enumerate(read_lines(path, where), start=1):
        fields = line.split()
        known = len(fields) == 2 and (fields[1] in meaning if meaning else fields[1].isdecimal())
        if not known:
            said = ", ".join(f"{code} ({word})" for code, word in (meaning or {}).items())
            raise DataError(
                where,
                f"{path.name}, line {number:,}, is not a picture with a known number",
                f"a picture's name, then {said or 'the number of a person'}",
                "copy the file again, or fix the line",
            )
        named.append(fields[0])
        codes.append(meaning[fields[1]] if meaning else fields[1])
    refuse_repeats(named, path.name, where)
    found = pd.Series(codes, index=pd.Index(named), dtype=str).reindex(pictures)
    missing = found.index[found.isna()].tolist()
    if missing:
        key = "split" if meaning else "identity"
        raise DataError(
            where,
            f"{path.name} lacks {len(missing):,} pictures of {_ATTRIBUTES}: {shown(missing)}",
            f"every picture of {_ATTRIBUTES}",
            f"copy both files again from one source, or set prepare.celeba.{key} to false",
        )
    return found
