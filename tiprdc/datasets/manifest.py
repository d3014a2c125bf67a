"""Anybody's data: one row a record, with its attributes and a picture path, a text or columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from msgspec import Meta

from tiprdc.datasets import tokenizer
from tiprdc.datasets.images import SUFFIXES, read_picture
from tiprdc.datasets.reader import RESERVED, Batch, Fitted, Index, Reader
from tiprdc.datasets.schema import Attribute, Modality
from tiprdc.datasets.table_files import Source, read_source, require_columns
from tiprdc.datasets.tables import encode_column, fit_column
from tiprdc.errors import ConfigError, DataError
from tiprdc.settings import Settings

MOST_CLASSES = 50
UTILITY = "Attributes that stand for unknown tasks; one that is also private counts as private."
"""Description of `utility` in the settings of a published data set."""
_INPUT = "x:"
"""Input columns of an index are named x:NAME, so that none meets an attribute's name."""


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
        Meta(
            description="Column with the source's own splits; null: people are divided at random."
        ),
    ] = "split"
    size: Annotated[
        int,
        Meta(
            ge=8, le=512,
            description="Height and width in pixels; pictures are stretched to it.",
        ),
    ] = 32  # fmt: skip
    length: Annotated[
        int, Meta(ge=4, le=4096, description="Tokens of a text; texts are cut or padded to it.")
    ] = 128
    vocabulary: Annotated[
        int, Meta(ge=300, le=100_000, description="Largest number of token ids.")
    ] = 8000

    def _check(self) -> None:
        where = "prepare.manifest"
        check_labels(where, self.private, self.utility)
        _refuse_twice(f"{where}.x", self.x)
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
        _refuse_twice(f"{where}.{key}", names)
        for name in names:
            if name in RESERVED:
                raise ConfigError(
                    f"{where}.{key}", f"an attribute named {name!r}",
                    f"any name but {', '.join(RESERVED)}", "rename the column",
                )  # fmt: skip


def _refuse_twice(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(where, f"{name!r} twice", "each name once")


class ManifestReader(Reader):
    """Reads what a `ManifestConfig` describes.

    A data set of an official layout is a manifest that a function of its own writes down: it gives
    the columns that the config names, and what is to be said about the files.

    Args:
        config: What is where.
        section: The section of params.yaml that messages name.
        load: Gives the table, once, on the driver; by default it is the file at `config.path`.
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
        given = self.load() if self.load else self._read_file()
        source, config = given.table, self.config
        self._require_columns(source, official=given.official)
        inputs = list(config.x) or self._other_columns(source)
        if config.modality == "auto":
            self.modality = guess_modality(source[inputs])
        columns: dict[str, pd.Series[str]] = {"record": self._names(source, inputs)}
        rows = pd.Series(range(len(source))).astype(str)
        columns["person"] = self._required(source, "person", rows)
        if config.split and given.official:
            columns["split"] = self._required(source, "split", pd.Series(dtype=str))
        attributes = [self._attribute(source, name) for name in config.labels]
        for attribute in attributes:
            numbers = {name: number for number, name in enumerate(attribute.classes)}
            columns[attribute.name] = source[attribute.name].str.strip().map(numbers)
        columns |= {f"{_INPUT}{name}": source[name] for name in inputs}
        records = pd.DataFrame({name: values.to_numpy() for name, values in columns.items()})
        if self.modality == "image":
            self._check_pictures(records, inputs[0])
        return Index(
            records=records.astype(dict.fromkeys(config.labels, int)),
            attributes=tuple(attributes),
            notes=given.notes,
        )

    def fit(self, records: pd.DataFrame) -> Fitted:
        names = [name for name in records.columns if name.startswith(_INPUT)]
        if self.modality == "image":
            return Fitted(shape=(3, self.config.size, self.config.size))
        if self.modality == "text":
            trained = tokenizer.train_tokenizer(
                records[names[0]].fillna(""),
                records["person"],
                vocabulary=self.config.vocabulary,
                length=self.config.length,
            )
            size = tokenizer.vocabulary_size(trained)
            return Fitted(shape=(self.config.length,), tokenizer=trained, vocabulary_size=size)
        columns = tuple(
            fit_column(name.removeprefix(_INPUT), records[name], f"{self.section}.x")
            for name in names
        )
        gaps = {c.name: int(records[_INPUT + c.name].isna().sum()) for c in columns}
        notes = [f"{n:,} missing in {name} (extractor-train)" for name, n in gaps.items() if n]
        return Fitted(shape=(len(columns),), columns=columns, notes=tuple(notes))

    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        if self.modality == "image":
            return self._read_pictures(records, fitted)
        if self.modality == "text":
            (name,) = (name for name in records.columns if name.startswith(_INPUT))
            texts = records[name].fillna("")
            x = tokenizer.encode(fitted.tokenizer, texts.tolist())
            return Batch(x=x, readable=x[:, 0] > 0)
        encoded = [encode_column(c, records[_INPUT + c.name]) for c in fitted.columns]
        return Batch(x=np.stack(encoded, axis=1), readable=np.ones(len(records), dtype=bool))

    def _read_file(self) -> Source:
        table = read_source(self.path, f"{self.section}.path")
        table.index = pd.Index([f"row {row + 1}" for row in range(len(table))])
        notes = () if self.config.person else ("No person column: each record is a person.",)
        return Source(table=table, notes=notes)

    def _require_columns(self, source: pd.DataFrame, *, official: bool) -> None:
        config = self.config
        wanted = {"x": config.x, "private": config.private, "utility": config.utility}
        wanted["person"] = (config.person,) if config.person else ()
        wanted["split"] = (config.split,) if config.split and official else ()
        for key, names in wanted.items():
            given = [str(name) for name in source.columns]
            require_columns(names, given, self.path.name, f"{self.section}.{key}")

    def _other_columns(self, source: pd.DataFrame) -> list[str]:
        taken = {*self.config.labels, self.config.person, self.config.split}
        others = [str(name) for name in source.columns if name not in taken]
        if not others:
            raise DataError(
                f"{self.section}.x",
                "no column is left",
                "at least one input column",
                "name it in x",
            )
        return others

    def _names(self, source: pd.DataFrame, inputs: Sequence[str]) -> pd.Series[str]:
        rows = source.index.to_series()
        if self.modality != "image":
            return rows
        paths: pd.Series[str] = source[inputs[0]]
        return paths.fillna(rows)

    def _required(
        self, source: pd.DataFrame, key: Literal["person", "split"], default: pd.Series[str]
    ) -> pd.Series[str]:
        """A column in which no row may be empty, or the default where none is named."""
        name = getattr(self.config, key)
        if name is None:
            return default
        self._refuse_gaps(source, name, key)
        values: pd.Series[str] = source[name]
        return values.str.strip()

    def _attribute(self, source: pd.DataFrame, name: str) -> Attribute:
        key = "private" if name in self.config.private else "utility"
        self._refuse_gaps(source, name, key)
        found = set(source[name].str.strip())
        if not 2 <= len(found) <= MOST_CLASSES:
            raise DataError(
                f"{self.section}.{key}",
                f"{name!r} has {len(found):,} {'class' if len(found) == 1 else 'classes'}",
                f"2 to {MOST_CLASSES} classes",
                f"add a column of groups of {name!r} (under 30 or not, say) and name that"
                if len(found) > 1
                else "an attribute that everybody shares needs no hiding: name another",
            )
        return Attribute(name=name, classes=tuple(_in_order(found)))

    def _refuse_gaps(self, source: pd.DataFrame, name: str, key: str) -> None:
        gaps = int(source[name].isna().sum())
        if gaps:
            raise DataError(
                f"{self.section}.{key}",
                f"{name!r} is empty or NaN in {gaps:,} of {len(source):,} rows",
                "a value in every row",
                "fill these rows in or delete them",
            )

    def _check_pictures(self, records: pd.DataFrame, name: str) -> None:
        """Refuse paths out of the root, and one picture as two people."""
        if not self.root.is_dir():
            raise self._no_root()
        paths = records[_INPUT + name].dropna()
        inside = str(self.root) + os.sep
        outside = [
            path for path in paths
            if not os.path.normpath(self.root / path).startswith(inside)
        ]  # fmt: skip
        if outside:
            raise DataError(
                f"{self.section}.x",
                f"{len(outside):,} paths lead out of {self.root}: {', '.join(outside[:5])}",
                "paths inside the root",
                f"set {self.section}.root to a folder that holds all pictures",
            )
        people = records["person"][paths.index].groupby(paths.map(os.path.normpath)).nunique()
        shared = people[people > 1].index.tolist()
        if shared:
            raise DataError(
                f"{self.section}.x",
                f"{len(shared):,} pictures are listed for two people: {', '.join(shared[:5])}",
                "each picture for one person",
                "delete the repeated rows, or name the person column",
            )

    def _read_pictures(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        if not self.root.is_dir():
            raise self._no_root()
        (name,) = (name for name in records.columns if name.startswith(_INPUT))
        x = np.zeros((len(records), *fitted.shape), dtype=np.uint8)
        readable = np.zeros(len(records), dtype=bool)
        for row, path in enumerate(records[name]):
            picture = read_picture(self.root / path, fitted.shape[-1]) if pd.notna(path) else None
            if picture is not None:
                x[row], readable[row] = picture, True
        return Batch(x=x, readable=readable)

    def _no_root(self) -> DataError:
        return DataError(
            f"{self.section}.root",
            f"{self.root} is not a folder here",
            "a folder that this machine, and every worker of a cluster, can see",
            "fix the path, or put the pictures on storage that all machines share",
        )


def guess_modality(inputs: pd.DataFrame) -> Modality:
    """What the input columns hold: several are a table; one may be pictures, texts or a table."""
    if inputs.shape[1] > 1:
        return "table"
    sample = inputs.iloc[:, 0].dropna().head(1000)
    if sample.str.lower().str.endswith(SUFFIXES).mean() > 0.9:
        return "image"
    return "text" if sample.str.strip().str.contains(r"\s").mean() > 0.5 else "table"


def _in_order(classes: set[str]) -> list[str]:
    """By value where all are numbers, else by name."""
    try:
        return sorted(classes, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(classes)
