"""Pictures, texts, table rows and vectors of a Parquet file, by the rules of `prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tiprdc.datasets.images import read_image
from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.datasets.tables.arrow_columns import (
    BYTES,
    describe,
    is_bytes,
    is_list_of_numbers,
)
from tiprdc.datasets.tables.column_encoding import MAX_NUMBER
from tiprdc.datasets.tables.names import list_names, show_name
from tiprdc.datasets.tables.text_encoding import is_unicode
from tiprdc.datasets.tables.vector_names import collapse_vectors, element_names
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import Contract, InputColumn
from tiprdc.runtime.columns import encode_columns, is_missing
from tiprdc.runtime.file_decoders import picture_format
from tiprdc.runtime.parquet_table import ParquetTable, cell_texts
from tiprdc.runtime.record_source import (
    NOT_FINITE,
    RecordBatch,
    RecordSource,
    as_positions,
    digest_lines,
    select_failures,
)


class _ParquetRecords(RecordSource):
    """Rows of a file, of which some columns are read."""

    def __init__(self, path: Path, id_column: str | None, option: str) -> None:
        self._where = sanitize(str(path))
        self._table = ParquetTable(path)
        self.ids = self._table.ids(id_column)
        self.digest = digest_lines([option, id_column or "", sha256(path)])

    def _batch(self, x: Any, start: int, stop: int, reasons: dict[int, str]) -> RecordBatch:
        """A batch from the readable records x and row -> reason of the others."""
        rows = range(start, min(stop, len(self)))
        positions = as_positions(row for row in rows if row not in reasons)
        return RecordBatch(x, positions, select_failures(reasons, self.ids, start, stop))


class PictureRows(_ParquetRecords):
    """Pictures in a column: bytes, or structs of bytes and path as Hugging Face writes them."""

    def __init__(
        self, path: Path, contract: Contract, column: str | None, id_column: str | None
    ) -> None:
        super().__init__(path, id_column, column or "")
        self._size, self._background = picture_format(contract)
        self._column = column or self._only_column()
        kind = self._table.kind(self._column)
        if not _may_hold_pictures(kind):
            given = f"column {show_name(self._column)!r} contains {describe(kind)}"
            raise DataError(
                self._where, given, "bytes of pictures, or structs of bytes and path",
                "for paths of files give a .txt with one path a line",
            )  # fmt: skip
        self._rows = self._table.rows([self._column])

    def read(self, start: int, stop: int) -> RecordBatch:
        cells = self._rows.read(start, stop)[self._column]
        files = pc.struct_field(cells, BYTES) if pa.types.is_struct(cells.type) else cells
        images: list[NDArray[np.uint8]] = []
        reasons: dict[int, str] = {}
        for row, cell in enumerate(files, start):
            data = cell.as_py()
            try:
                if data is None:
                    raise UnusableFileError("no bytes of a picture in its cell")
                images.append(read_image(data, self._size, self._background))
            except UnusableFileError as error:
                reasons[row] = str(error)
        none = np.zeros((0, 3, self._size, self._size), np.uint8)
        return self._batch(np.stack(images) if images else none, start, stop, reasons)

    def _only_column(self) -> str:
        names = [n for n in self._table.names if _may_hold_pictures(self._table.kind(n))]
        if len(names) != 1:
            given = f"not given, and {len(names)} columns may hold pictures"
            expected = f"one of {list_names(names or self._table.names)}"
            raise ConfigError("--column", given, expected)
        return names[0]


class TextRows(_ParquetRecords):
    """Texts in a column."""

    def __init__(self, path: Path, column: str | None, id_column: str | None) -> None:
        if column is None:
            raise ConfigError("--column", "not given", "the column that contains the texts")
        super().__init__(path, id_column, column)
        self._table.require_text(column, "texts")
        self._column, self._rows = column, self._table.rows([column])

    def read(self, start: int, stop: int) -> RecordBatch:
        texts: list[str] = []
        reasons: dict[int, str] = {}
        for row, text in enumerate(cell_texts(self._rows.read(start, stop)[self._column]), start):
            if text is None or is_missing(text):
                reasons[row] = "an empty text"
            elif not is_unicode(text):
                reasons[row] = "not UTF-8"
            else:
                texts.append(text)
        return self._batch(texts, start, stop, reasons)


class TableRows(_ParquetRecords):
    """Rows with the input columns of a release; lists of numbers are its columns NAME[0] and on."""

    def __init__(self, path: Path, contract: Contract, id_column: str | None, decimal: str) -> None:
        super().__init__(path, id_column, decimal)
        self._columns, self._decimal = contract.columns, decimal
        own = {column.name for column in contract.columns}
        names = collapse_vectors((column.name for column in contract.columns), self._table.names)
        self._vectors = {name: self._vector_positions(name) for name in names if name not in own}
        self._plain = [n for n, c in enumerate(self._columns) if c.name in names]
        for position in self._plain:
            self._table.require_text(self._columns[position].name, "texts or numbers")
        self._rows = self._table.rows(names)

    def read(self, start: int, stop: int) -> RecordBatch:
        cells = self._rows.read(start, stop)
        x = np.empty((min(stop, len(self)) - start, len(self._columns)), np.float32)
        reasons: dict[int, str] = {}
        plain = [self._columns[position] for position in self._plain]
        if plain:
            table = {column.name: _cells(cells[column.name], column) for column in plain}
            x[:, self._plain], invalid = encode_columns(plain, table, self._decimal)
            for row, name in invalid.items():
                reasons.setdefault(start + row, f"{sanitize(name)} is not a number")
        for name, positions in self._vectors.items():
            x[:, positions], invalid = _read_vectors(cells[name], len(positions))
            for row, reason in invalid.items():
                reasons.setdefault(start + row, f"{sanitize(name)}: {reason}")
        readable = [row not in reasons for row in range(start, start + len(x))]
        return self._batch(x[readable], start, stop, reasons)

    def _vector_positions(self, name: str) -> list[int]:
        """Positions of a vector's numbers among the columns of the release."""
        kind = self._table.kind(name)
        if not is_list_of_numbers(kind):
            given = f"column {show_name(name)!r} contains no lists of numbers"
            raise DataError(self._where, given, "a vector in every row")
        numbers = {column.name: position for position, column in enumerate(self._columns)}
        elements = element_names(name, len(self._columns))
        return [numbers[element] for element in elements if element in numbers]


def _may_hold_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        fields = [kind.field(n) for n in range(kind.num_fields)]
        return any(field.name == BYTES and is_bytes(field.type) for field in fields)
    return is_bytes(kind)


def _cells(values: pa.ChunkedArray, column: InputColumn) -> Sequence[object]:
    """Texts of a column, or its numbers, which have no decimal mark of a language."""
    kind = values.type
    if column.categories:
        # Their form is that of training: a part of a column may be whole where the whole was not.
        whole = not any("." in category for category in column.categories)
        return cell_texts(values, whole=whole)
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return values.to_pylist() if any(check(kind) for check in checks) else cell_texts(values)


def _read_vectors(
    column: pa.ChunkedArray, length: int
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Vectors `[B, length]`, and row -> why it has none."""
    lengths = pc.list_value_length(column).to_pylist()
    reasons = {
        row: "no vector" if found is None else f"a vector of {found:,} numbers, not {length:,}"
        for row, found in enumerate(lengths)
        if found != length
    }
    fits = np.array([row not in reasons for row in range(len(column))], dtype=bool)
    flat = pc.list_flatten(column.filter(pa.array(fits)))
    numbers = pc.cast(flat, pa.float64(), safe=False).to_numpy().reshape(-1, length)
    with np.errstate(invalid="ignore"):
        finite = (np.abs(numbers) <= MAX_NUMBER).all(axis=1)
    for row in np.flatnonzero(fits)[~finite].tolist():
        reasons[row] = NOT_FINITE
    x = np.zeros((len(column), length), np.float32)
    x[np.flatnonzero(fits)[finite]] = numbers[finite]
    return x, reasons
