"""Reads and writes shards: Parquet files by split, and `schema.json` that describes them.

    shards/schema.json
    shards/<split>/part-00000.parquet

A shard has the columns `person` (str), `x` (fixed-size list: uint8, float32, int32 or int16) and
one int16 column of class numbers for each attribute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tiprdc.errors import DataError, suggestion

Modality = Literal["image", "table", "text", "audio"]
Split = Literal["extractor-train", "attacker-train", "attacker-select", "attacker-test"]
SPLITS: tuple[Split, ...] = (
    "extractor-train",
    "attacker-train",
    "attacker-select",
    "attacker-test",
)
DTYPES: dict[str, type[np.generic]] = {
    "image": np.uint8, "table": np.float32, "text": np.int32, "audio": np.int16
}  # fmt: skip
PICTURED: frozenset[Modality] = frozenset({"image", "audio"})
"""Modalities that networks and attacks read as pictures: of a recording, its spectrogram."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A named attribute of people and its classes, in the order of their numbers."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One input column of a table.

    Args:
        name: The column's name in the source.
        categories: For a categorical column, its categories: the input is a category's number, and
            `len(categories)` for any other value. Empty for a numeric column.
        mean, std: For a numeric column, over extractor-train, in the column's unit.
    """

    name: str
    categories: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Describes a folder of shards.

    Args:
        dataset: Name of the data set's reader.
        modality: Kind of the records.
        shape: Shape of one record x: (C, H, W), (F,), or (T,) of tokens or samples.
        attributes: All attributes; private ones first, then utility.
        private: Names of the attributes to hide.
        utility: Names of the attributes that stand for unseen tasks.
        columns: For tables, the input columns in order.
        vocabulary_size: For text, the number of token ids.
        tokenizer_file: For text, name of the tokenizer's file; empty: `prepare` trained one.
        padding, pads_left: For text, the padding token's id, and whether it stands before a text.
        background: For pictures, the colour that transparent pixels are shown on, `#rrggbb`.
        rate: For recordings, samples a second.
        people: Number of people in each split.
        records: Number of records in each split.
        unreadable: Number of records that could not be read and are not in the shards.
        notes: Remarks about the source for the report.
        digest: sha256 over the digests of all shards.
    """

    dataset: str
    modality: Modality
    shape: tuple[int, ...]
    attributes: tuple[Attribute, ...]
    private: tuple[str, ...]
    utility: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    vocabulary_size: int = 0
    tokenizer_file: str = ""
    padding: int = 0
    pads_left: bool = False
    background: str = "#ffffff"
    rate: int = 0
    people: dict[str, int]
    records: dict[str, int]
    unreadable: int = 0
    notes: tuple[str, ...] = ()
    digest: str = ""

    def attribute(self, name: str) -> Attribute:
        """The attribute of this name.

        Raises:
            DataError: There is none.
        """
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        names = [attribute.name for attribute in self.attributes]
        raise DataError(
            "attribute", f"no attribute {name!r}", f"one of {', '.join(names)}",
            suggestion(name, names),
        )  # fmt: skip

    def classes(self, name: str) -> int:
        """Number of classes K of an attribute."""
        return len(self.attribute(name).classes)


@dataclass(frozen=True)
class Records:
    """Records in memory, usually those of one split.

    Args:
        x: `[N, *shape]`, of the type that `DTYPES` names for the modality.
        labels: Attribute name -> class numbers `[N]` int64.
        person: Person ids `[N]` str.
    """

    x: NDArray[Any]
    labels: dict[str, NDArray[np.int64]]
    person: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: NDArray[np.intp]) -> Records:
        """These rows, in this order."""
        labels = {name: values[rows] for name, values in self.labels.items()}
        return Records(self.x[rows], labels, self.person[rows])

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        """One batch of rows after another."""
        return map(self.take, rows)


def searched_records(attacker_train: int) -> int:
    """Leading records of attacker-train that a search of settings may attack, of so many.

    Certificates are made on the rest: they need people on whom nothing was chosen.
    """
    return attacker_train // 2


def encode_shard(records: Records) -> bytes:
    """Encode one shard as Parquet; the same records give the same bytes."""
    width = int(np.prod(records.x.shape[1:]))
    flat = pa.array(np.ascontiguousarray(records.x).reshape(-1))
    columns: dict[str, pa.Array] = {
        "person": pa.array(records.person.tolist(), pa.string()),
        "x": pa.FixedSizeListArray.from_arrays(flat, width),
    }
    for name, values in records.labels.items():
        columns[f"attribute:{name}"] = pa.array(values.astype(np.int16))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def write_shard(path: Path, records: Records) -> str:
    """Write one shard and return its sha256."""
    data = encode_shard(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def write_schema(folder: Path, schema: Schema, digests: Iterable[str]) -> Schema:
    """Write `schema.json` with one digest over those of all shards; return the schema with it."""
    digest = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    complete = replace(schema, digest=digest)
    (folder / "schema.json").write_text(json.dumps(asdict(complete), indent=1) + "\n")
    return complete


def read_schema(folder: Path) -> Schema:
    """Read `schema.json`.

    Raises:
        DataError: There is no such file, or it is not a schema.
    """
    path = folder / "schema.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        plain["attributes"] = tuple(
            Attribute(name=a["name"], classes=tuple(a["classes"])) for a in raw["attributes"]
        )
        plain["columns"] = tuple(
            Column(**{**c, "categories": tuple(c["categories"])}) for c in raw["columns"]
        )
        return Schema(**plain)
    except FileNotFoundError:
        raise DataError(str(path), "no such file", hint="run `dvc repro prepare` first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            str(path), f"not a schema that `prepare` wrote ({type(error).__name__})",
            hint="run `dvc repro -f prepare`",
        ) from error  # fmt: skip


def read_split(folder: Path, schema: Schema, split: Split, fewest: int | None = None) -> Records:
    """Read a split into memory, in the order of its shards.

    Args:
        folder: The folder of shards.
        schema: Its schema.
        split: The split to read.
        fewest: Stop after the shard with which there are this many records; `prepare` puts people
            into shards in a random order. None reads all shards.

    Raises:
        DataError: There is no shard, or one is broken.
    """
    return _records(_read_files(shard_files(folder, split), None, fewest), schema)


def shard_files(folder: Path, split: Split) -> list[Path]:
    """The files of a split, in order.

    Raises:
        DataError: There are none.
    """
    files = sorted((folder / split).glob("part-*.parquet"))
    if not files:
        raise DataError(
            str(folder / split), "no shards in this folder", hint="run `dvc repro -f prepare`"
        )
    return files


def read_shard(file: Path, schema: Schema) -> Records:
    """Read one file of a split.

    Args:
        file: Of `shard_files`.
        schema: Of the folder.

    Raises:
        DataError: It is broken.
    """
    return _records(_read_files([file], None, None), schema)


def record_numbers(file: Path) -> int:
    """Numbers of one record of a shard."""
    return int(pq.read_schema(file).field("x").type.list_size)


def read_labels(
    folder: Path, schema: Schema, split: Split
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.str_]]:
    """Read the labels and person ids of a split as `read_split` does, without the records."""
    columns = ["person", *(f"attribute:{a.name}" for a in schema.attributes)]
    return _labels(_read_files(shard_files(folder, split), columns, None), schema)


def _read_files(files: list[Path], columns: list[str] | None, fewest: int | None) -> pa.Table:
    try:
        tables: list[pa.Table] = []
        for file in files:
            if fewest is None or sum(map(len, tables)) < fewest:
                tables.append(pq.read_table(file, columns=columns))
        return pa.concat_tables(tables).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            str(files[0].parent), f"a broken shard ({type(error).__name__})",
            hint="run `dvc repro -f prepare`",
        ) from error  # fmt: skip


def _records(table: pa.Table, schema: Schema) -> Records:
    labels, person = _labels(table, schema)
    flat = table["x"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Records(x=flat.reshape(-1, *schema.shape).copy(), labels=labels, person=person)


def _labels(
    table: pa.Table, schema: Schema
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.str_]]:
    names = [attribute.name for attribute in schema.attributes]
    labels = {name: table[f"attribute:{name}"].to_numpy().astype(np.int64) for name in names}
    return labels, np.asarray(table["person"].to_pylist(), dtype=np.str_)
