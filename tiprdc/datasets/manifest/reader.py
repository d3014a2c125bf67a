"""Reads the user's own data set: a file of one row a record, with attributes and an input.

The input is a column of paths of pictures or recordings, a column of texts, or the columns of a
table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tiprdc.datasets.images import BACKGROUNDS, read_image
from tiprdc.datasets.manifest import inputs as manifest_inputs
from tiprdc.datasets.manifest.attribute_classes import read_attribute, refuse_gaps, require_text
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.file_records import Decode, find_files, read_files, require_root
from tiprdc.datasets.manifest.image_columns import find_pictures, has_bytes
from tiprdc.datasets.manifest.image_paths import is_path
from tiprdc.datasets.manifest.inputs import PREFIX
from tiprdc.datasets.manifest.modality import guess_modality
from tiprdc.datasets.manifest.vectors import expand_vectors
from tiprdc.datasets.reader import Batch, Fitted, Index, Reader
from tiprdc.datasets.recordings import read_recording, require_packages
from tiprdc.datasets.schema import DTYPES, Modality
from tiprdc.datasets.tables.column_kinds import is_categorical
from tiprdc.datasets.tables.files import Source, read_source
from tiprdc.datasets.tables.names import refuse_absent_column, refuse_absent_field
from tiprdc.errors import DataError

_FILES: Mapping[Modality, str] = {"image": "pictures", "audio": "recordings"}
"""Modalities whose records are files, and what they are in messages."""


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
            table, inputs = expand_vectors(table, inputs, self.root, f"{self.section}.x")
            self._categorical = self._find_categorical(table, inputs)
        elif self.modality != "image" or pictures is None:
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
        if self.modality == "audio":
            require_packages(f"{self.section}.x")
        if self.modality in _FILES:
            kind = _FILES[self.modality]
            records, notes = find_files(records, self.root, self.section, kind)
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
        if self.modality == "text" and config.tokenizer:
            return manifest_inputs.fit_tokenizer_file(Path(config.tokenizer), config.length)
        if self.modality == "audio":
            return Fitted(shape=(round(config.rate * config.duration),), rate=config.rate)
        if self.modality == "text":
            return manifest_inputs.fit_texts(records, config.vocabulary, config.length)
        where = f"{self.section}.x"
        return manifest_inputs.fit_table(records, where, self._categorical, config.decimal)

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        if self.modality in _FILES:
            require_root(records, self.root, self.section, _FILES[self.modality])
            x = np.zeros((len(records), *fitted.shape), DTYPES[self.modality])
            return read_files(records, x, self._decoder(fitted), self.root)
        if self.modality == "text":
            return manifest_inputs.read_texts(records, fitted)
        return manifest_inputs.read_columns(records, fitted, self.config.decimal)

    def _decoder(self, fitted: Fitted) -> Decode:
        if self.modality == "image":
            return lambda file: read_image(file, fitted.shape[-1], fitted.background)
        require_packages(f"{self.section}.x")
        return lambda file: read_recording(file, fitted.rate, fitted.shape[0])

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
        if self.modality not in _FILES or has_bytes(table[inputs[0]]):
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
