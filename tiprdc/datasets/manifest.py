"""Reads the user's own data set: a file of one row a record, with attributes and an input.

The input is a column of image paths, a column of texts, or the columns of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pandas as pd
from msgspec import Meta

from tiprdc.datasets import manifest_images, manifest_inputs
from tiprdc.datasets.attribute_classes import read_attribute, refuse_gaps, require_text
from tiprdc.datasets.column_kinds import is_categorical
from tiprdc.datasets.dialect import Decimals, Dialect, QuoteRule, check_dialect
from tiprdc.datasets.image_columns import find_pictures, has_bytes
from tiprdc.datasets.image_paths import is_path
from tiprdc.datasets.images import BACKGROUNDS
from tiprdc.datasets.manifest_inputs import PREFIX
from tiprdc.datasets.modality import guess_modality
from tiprdc.datasets.names import refuse_absent_column, refuse_absent_field
from tiprdc.datasets.reader import RESERVED, Batch, Fitted, Index, Reader
from tiprdc.datasets.schema import Modality
from tiprdc.datasets.table_files import Source, read_source
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.settings import Settings

UTILITY = "Attributes that stand for unknown tasks; one that is also private counts as private."
"""Description of `utility` in the settings of a published data set."""


class ManifestConfig(Settings, frozen=True, kw_only=True):
    """Your own data set (`prepare.manifest`)."""

    params_key: ClassVar[str] = "prepare.manifest"

    path: Annotated[
        str,
        Meta(description="CSV or TSV (also .gz, .xz) or Parquet file, one row a record."),
    ] = "data/example/manifest.csv"
    encoding: Annotated[
        str, Meta(description="Encoding of a text file: utf-8, utf-16, cp1252 or another.")
    ] = "utf-8"
    delimiter: Annotated[
        str | None,
        Meta(
            description="What separates fields: one letter such as ; or |, or tab; null: a comma "
            "in .csv, a tabulator in .tsv.",
        ),
    ] = None
    decimal: Annotated[
        Decimals, Meta(description="What separates the decimals of a table's numbers.")
    ] = "."
    quotes: Annotated[
        QuoteRule,
        Meta(
            description="Quotation marks. enclose: around fields, which may have line breaks. "
            "literal: letters like others, and each line is a row. auto: enclose, but a file in "
            "which they would swallow rows is refused.",
        ),
    ] = "auto"
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
    categorical: Annotated[
        tuple[str, ...],
        Meta(
            description="Input columns of a table whose values are categories even if they look "
            "like numbers, such as postcodes.",
        ),
    ] = ()
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
        check_dialect(self.dialect, f"{where}.")
        for name in self.categorical:
            if self.x and name not in self.x:
                raise ConfigError(
                    f"{where}.categorical", f"{name!r}, which is not an input", "columns of x",
                    suggestion(name, self.x),
                )  # fmt: skip

    @property
    def labels(self) -> tuple[str, ...]:
        """All attribute columns, each once."""
        return tuple(dict.fromkeys((*self.private, *self.utility)))

    @property
    def dialect(self) -> Dialect:
        """How the file is written, if it is a text file."""
        return Dialect(
            delimiter=self.delimiter, encoding=self.encoding, decimal=self.decimal,
            quotes=self.quotes,
        )  # fmt: skip


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
        numbers_only: Whether a column of categories is of no use, so that no message advises it.
    """

    def __init__(
        self,
        config: ManifestConfig,
        section: str = "prepare.manifest",
        load: Callable[[], Source] | None = None,
        *,
        numbers_only: bool = False,
    ) -> None:
        self._numbers_only = numbers_only
        self.config, self.section, self.load = config, section, load
        self.path = Path(config.path).resolve()
        self.root = Path(config.root).resolve()
        self.modality: Modality = "table" if config.modality == "auto" else config.modality
        self._categorical: frozenset[str] = frozenset()

    def index(self) -> Index:
        source = self.load() if self.load else self._read_file()
        table, config = source.table, self.config
        self._require_columns(source)
        inputs = list(config.x) or self._other_columns(table)
        pictures = find_pictures(table[inputs[0]]) if len(inputs) == 1 else None
        if pictures is not None and config.modality in ("auto", "image"):
            table, self.modality = table.assign(**{inputs[0]: pictures}), "image"
        elif config.modality == "auto":
            self.modality = guess_modality(table[inputs], self.root, self.section)
        if self.modality == "table":
            self._categorical = self._find_categorical(table, inputs)
        elif self.modality == "text" or pictures is None:
            require_text(table, inputs[0], f"{self.section}.x")
        columns: dict[str, pd.Series[str]] = {"record": self._record_names(table, inputs)}
        numbers = pd.Series(range(len(table))).astype(str)
        columns["person"] = self._column_or_default(table, "person", numbers)
        if config.split and source.has_official_split:
            columns["split"] = self._column_or_default(table, "split", pd.Series(dtype=str))
        attributes = [read_attribute(table, name, self._key_of(name)) for name in config.labels]
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
        where = f"{self.section}.x"
        return manifest_inputs.fit_table(records, where, self._categorical, config.decimal)

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        if self.modality == "image":
            return manifest_images.read_images(records, fitted, self.root, self.section)
        if self.modality == "text":
            return manifest_inputs.read_texts(records, fitted)
        return manifest_inputs.read_columns(records, fitted, self.config.decimal)

    @property
    def _settings_key(self) -> str:
        """Prefix of the keys that say how the file is read; published data sets have none."""
        prefix = ManifestConfig.params_key
        return f"{prefix}." if self.section == prefix else ""

    @property
    def _hint_keys(self) -> tuple[str, str]:
        """Keys of the decimal mark and of the categorical columns; empty where there is none."""
        key = self._settings_key
        return key and f"{key}decimal", "" if self._numbers_only else key and f"{key}categorical"

    def _read_file(self) -> Source:
        where = f"{self.section}.path"
        source = read_source(self.path, where, self.config.dialect, self._settings_key)
        source.table.index = pd.Index([f"row {row + 1}" for row in range(len(source.table))])
        alone = () if self.config.person else ("No person column: each record is a person.",)
        return replace(source, notes=(*alone, *source.notes))

    def _require_columns(self, source: Source) -> None:
        config = self.config
        columns = {"x": config.x, "private": config.private, "utility": config.utility}
        columns["categorical"] = config.categorical
        columns["person"] = (config.person,) if config.person else ()
        has_split = config.split and source.has_official_split
        columns["split"] = (config.split,) if config.split and has_split else ()
        available = {str(name): source.table[name] for name in source.table.columns}
        for key, names in columns.items():
            for name in names:
                where = f"{self.section}.{key}"
                if source.has_header:
                    refuse_absent_field(name, available, self.path.name, where)
                else:
                    refuse_absent_column(name, available, self.path.name, where)

    def _find_categorical(self, table: pd.DataFrame, inputs: Sequence[str]) -> frozenset[str]:
        """Input columns that have categories; the others have numbers."""
        where, decimal = f"{self.section}.x", self.config.decimal
        for name in inputs:
            require_text(table, name, where)
        return frozenset(
            name
            for name in inputs
            if name in self.config.categorical
            or is_categorical(name, table[name], where, decimal, self._hint_keys)
        )

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
        require_text(table, name, f"{self.section}.{key}")
        refuse_gaps(table, name, f"{self.section}.{key}")
        values: pd.Series[str] = table[name]
        return values.str.strip()

    def _key_of(self, label: str) -> str:
        key = "private" if label in self.config.private else "utility"
        return f"{self.section}.{key}"
