"""Reads the user's own data set: a file of one row a record, with attributes and an input.

The input is a column of image paths, a column of texts, or the columns of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pandas as pd
from msgspec import Meta

from tiprdc.datasets import manifest_images, manifest_inputs
from tiprdc.datasets.image_columns import find_pictures, has_bytes
from tiprdc.datasets.image_paths import is_path
from tiprdc.datasets.images import BACKGROUNDS
from tiprdc.datasets.manifest_inputs import PREFIX, guess_modality
from tiprdc.datasets.reader import RESERVED, Batch, Fitted, Index, Reader
from tiprdc.datasets.schema import Attribute, Modality
from tiprdc.datasets.table_files import Source, read_table, require_columns
from tiprdc.errors import ConfigError, DataError
from tiprdc.settings import Settings

MAX_CLASSES = 50
UTILITY = "Attributes that stand for unknown tasks; one that is also private counts as private."
"""Description of `utility` in the settings of a published data set."""


class ManifestConfig(Settings, frozen=True, kw_only=True):
    """Your own data set (`prepare.manifest`)."""

    params_key: ClassVar[str] = "prepare.manifest"

    path: Annotated[
        str,
        Meta(description="CSV or TSV (also .gz, .xz) or Parquet file, UTF-8, one row a record."),
    ] = "data/example/manifest.csv"
    root: Annotated[
        str, Meta(description="Folder that picture paths are relative to; DVC watches it.")
    ] = "data/example"
    modality: Annotated[
        Literal["auto", "image", "table", "text"],
        Meta(description="Kind of record; auto: detected from the column x."),
    ] = "auto"
    x: Annotated[
        tuple[str, ...],
        Meta(
            description="Column of picture paths, or column of texts, or the input columns of a "
            "table; empty: a table of all columns without another role.",
        ),
    ] = ("image",)
    private: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Columns to hide, 2 to 50 classes each."),
    ] = ("skin_tone",)
    utility: Annotated[
        tuple[str, ...],
        Meta(
            description="Columns that stand for unknown tasks, 2 to 50 classes each; one that is "
            "also private counts as private.",
        ),
    ] = ("glasses", "facial_hair")
    person: Annotated[
        str | None,
        Meta(
            description="Column that identifies the person of a record; null: each record is a "
            "person of its own.",
        ),
    ] = None
    split: Annotated[
        str | None,
        Meta(description="Column with the source's own splits; null: people divided at random."),
    ] = "split"
    size: Annotated[
        int,
        Meta(
            ge=8, le=512,
            description="Height and width in pixels; pictures are stretched to it.",
        ),
    ] = 32  # fmt: skip
    background: Annotated[
        Literal["white", "grey", "black"],
        Meta(
            description="Colour that transparent pixels of pictures are shown on; a release states "
            "it, so that devices do the same.",
        ),
    ] = "white"
    length: Annotated[
        int, Meta(ge=4, le=4096, description="Tokens of a text; texts are cut or padded to it.")
    ] = 128
    vocabulary: Annotated[
        int, Meta(ge=300, le=100_000, description="Largest number of token ids.")
    ] = 8000

    def _check(self) -> None:
        where = "prepare.manifest"
        check_labels(where, self.private, self.utility)
        _refuse_duplicates(f"{where}.x", self.x)
        for name in self.x:
            if name in (*self.labels, self.person, self.split):
                raise ConfigError(
                    f"{where}.x", f"{name!r}, which is also an attribute, the person or the split",
                    "columns with no other part", f"leave {name!r} out of x",
                )  # fmt: skip
        if self.modality in ("image", "text") and len(self.x) != 1:
            raise ConfigError(f"{where}.x", list(self.x), f"one column for {self.modality}")

    @property
    def labels(self) -> tuple[str, ...]:
        """All attribute columns, each once."""
        return tuple(dict.fromkeys((*self.private, *self.utility)))


def check_labels(where: str, private: Sequence[str], utility: Sequence[str]) -> None:
    """Check the attributes that a data set's section names.

    Args:
        where: The section, for messages.
        private: Attributes to hide.
        utility: Attributes that stand for unseen tasks.

    Raises:
        ConfigError: A list names one twice, or a name is reserved.
    """
    for key, names in (("private", private), ("utility", utility)):
        _refuse_duplicates(f"{where}.{key}", names)
        for name in names:
            if name in RESERVED:
                raise ConfigError(
                    f"{where}.{key}", f"the attribute name {name!r} is reserved",
                    f"any name but {', '.join(RESERVED)}", "rename the column",
                )  # fmt: skip


def _refuse_duplicates(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(where, f"{name!r} twice", "each name once")


class ManifestReader(Reader):
    """Reads the data set that a `ManifestConfig` describes.

    A data set of a published layout is a manifest too: a function turns its files into the table
    of columns that the config names.

    Args:
        config: Which column is what.
        section: The section of params.yaml, for messages.
        load: Returns the table; called once, on the driver. None reads the file at `config.path`.
    """

    def __init__(
        self,
        config: ManifestConfig,
        section: str = "prepare.manifest",
        load: Callable[[], Source] | None = None,
    ) -> None:
        self.config, self.section, self.load = config, section, load
        self.path = Path(config.path).resolve()
        self.root = Path(config.root).resolve()
        self.modality: Modality = "table" if config.modality == "auto" else config.modality

    def index(self) -> Index:
        source = self.load() if self.load else self._read_file()
        table, config = source.table, self.config
        self._require_columns(source)
        inputs = list(config.x) or self._other_columns(table)
        pictures = find_pictures(table[inputs[0]]) if len(inputs) == 1 else None
        if pictures is not None and config.modality in ("auto", "image"):
            table, self.modality = table.assign(**{inputs[0]: pictures}), "image"
        elif config.modality == "auto":
            self.modality = guess_modality(table[inputs])
        columns: dict[str, pd.Series[str]] = {"record": self._record_names(table, inputs)}
        numbers = pd.Series(range(len(table))).astype(str)
        columns["person"] = self._column_or_default(table, "person", numbers)
        if config.split and source.has_official_split:
            columns["split"] = self._column_or_default(table, "split", pd.Series(dtype=str))
        attributes = [self._attribute(table, name) for name in config.labels]
        for attribute in attributes:
            class_numbers = {name: number for number, name in enumerate(attribute.classes)}
            columns[attribute.name] = table[attribute.name].str.strip().map(class_numbers)
        columns |= {f"{PREFIX}{name}": table[name] for name in inputs}
        records = pd.DataFrame({name: values.array for name, values in columns.items()})
        notes: list[str] = []
        if self.modality == "image":
            records, notes = manifest_images.find_images(records, self.root, self.section)
        return Index(
            records=records.astype(dict.fromkeys(config.labels, int)),
            attributes=tuple(attributes),
            notes=(*source.notes, *notes),
        )

    def fit(self, records: pd.DataFrame) -> Fitted:
        config = self.config
        if self.modality == "image":
            shape = (3, config.size, config.size)
            return Fitted(shape=shape, background=BACKGROUNDS[config.background])
        if self.modality == "text":
            return manifest_inputs.fit_texts(records, config.vocabulary, config.length)
        return manifest_inputs.fit_table(records, f"{self.section}.x")

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        if self.modality == "image":
            return manifest_images.read_images(records, fitted, self.root, self.section)
        if self.modality == "text":
            return manifest_inputs.read_texts(records, fitted)
        return manifest_inputs.read_columns(records, fitted)

    def _read_file(self) -> Source:
        table = read_table(self.path, f"{self.section}.path")
        table.index = pd.Index([f"row {row + 1}" for row in range(len(table))])
        notes = () if self.config.person else ("No person column: each record is a person.",)
        return Source(table=table, notes=notes)

    def _require_columns(self, source: Source) -> None:
        config = self.config
        columns = {"x": config.x, "private": config.private, "utility": config.utility}
        columns["person"] = (config.person,) if config.person else ()
        has_split = config.split and source.has_official_split
        columns["split"] = (config.split,) if config.split and has_split else ()
        available = [str(name) for name in source.table.columns]
        for key, names in columns.items():
            require_columns(names, available, self.path.name, f"{self.section}.{key}")

    def _other_columns(self, table: pd.DataFrame) -> list[str]:
        used = {*self.config.labels, self.config.person, self.config.split}
        others = [str(name) for name in table.columns if name not in used]
        if not others:
            raise DataError(
                f"{self.section}.x",
                "no column is left for the input",
                "at least one input column",
                "name it in x",
            )
        return others

    def _record_names(self, table: pd.DataFrame, inputs: Sequence[str]) -> pd.Series[str]:
        rows = table.index.to_series()
        if self.modality != "image" or has_bytes(table[inputs[0]]):
            return rows
        paths: pd.Series[str] = table[inputs[0]]
        return paths.where(paths.map(is_path, na_action="ignore").eq(True)).fillna(rows)

    def _column_or_default(
        self, table: pd.DataFrame, key: Literal["person", "split"], default: pd.Series[str]
    ) -> pd.Series[str]:
        """The column that this key names, without empty rows; the default if it names none."""
        name = getattr(self.config, key)
        if name is None:
            return default
        self._refuse_gaps(table, name, key)
        values: pd.Series[str] = table[name]
        return values.str.strip()

    def _attribute(self, table: pd.DataFrame, name: str) -> Attribute:
        key = "private" if name in self.config.private else "utility"
        self._refuse_gaps(table, name, key)
        classes = set(table[name].str.strip())
        if not 2 <= len(classes) <= MAX_CLASSES:
            raise DataError(
                f"{self.section}.{key}",
                f"{name!r} has {len(classes):,} {'class' if len(classes) == 1 else 'classes'}",
                f"2 to {MAX_CLASSES} classes",
                f"add a column that groups {name!r} (under 30 or not, say) and name that column"
                if len(classes) > 1
                else "everybody has the same class, so there is nothing to learn: name another",
            )
        return Attribute(name=name, classes=tuple(_sort_classes(classes)))

    def _refuse_gaps(self, table: pd.DataFrame, name: str, key: str) -> None:
        gaps = int(table[name].isna().sum())
        if gaps:
            raise DataError(
                f"{self.section}.{key}",
                f"{name!r} is empty or NaN in {gaps:,} of {len(table):,} rows",
                "a value in every row",
                "fill these rows in or delete them",
            )


def _sort_classes(classes: set[str]) -> list[str]:
    """By value where all are numbers, else by name."""
    try:
        return sorted(classes, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(classes)
