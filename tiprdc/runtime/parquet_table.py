"""Reads columns of a Parquet file on a device, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tiprdc.datasets.tables.arrow_columns import (
    as_text,
    column_names,
    describe,
    refuse_broken,
    unwrap,
)
from tiprdc.datasets.tables.names import refuse_absent_column, show_name
from tiprdc.errors import DataError
from tiprdc.formats.files import sanitize
from tiprdc.runtime.text_files import row_numbers

_ROWS = 64
"""Rows that are decoded at once."""
_BUFFER = 2**20
"""Bytes that are read at once of each column, so that no row group need fit into memory."""


class ParquetTable:
    """A Parquet file.

    Args:
        path: The file.

    Attributes:
        names: The names of the columns.

    Raises:
        DataError: The file is broken or has no row, or a column has no name or that of another.
    """

    def __init__(self, path: Path) -> None:
        self._where, self._file_name = sanitize(str(path)), sanitize(path.name)
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
        except (pa.ArrowException, OSError, ValueError):
            refuse_broken(self._file_name, self._where)
        schema = self._file.schema_arrow
        self.names = column_names(schema.names, self._file_name, self._where)
        self._kinds = {name: schema.field(name).type for name in self.names}
        if not len(self):
            raise DataError(self._where, "it has no row", "at least one row")

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def kind(self, name: str) -> Any:
        """The Arrow type of a column, that of an extension unwrapped.

        Raises:
            DataError: There is no such column; suggests the nearest.
        """
        refuse_absent_column(name, self.names, "the table", self._where)
        kind = self._kinds[name]
        return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind

    def require_text(self, name: str, expected: str) -> None:
        """Refuse a column of values that are no text.

        Args:
            name: The column.
            expected: What it must contain, for the message.

        Raises:
            DataError: It contains something else, or there is no such column.
        """
        kind = self.kind(name)
        if as_text(pa.chunked_array([], kind)) is None:
            given = f"column {show_name(name)!r} contains {describe(kind)}"
            raise DataError(self._where, given, expected)

    def ids(self, name: str | None) -> list[str]:
        """Names of the rows: those of a column, else numbers from 1.

        Raises:
            DataError: There is no such column, or it contains no texts.
        """
        numbers = row_numbers(len(self))
        if name is None:
            return numbers
        self.require_text(name, "texts or numbers")
        try:
            column = self._file.read(columns=[name], use_threads=False).column(name)
        except (pa.ArrowException, OSError, ValueError):
            refuse_broken(self._file_name, self._where)
        texts = cell_texts(column)
        return [text or f"row {n}" for text, n in zip(texts, numbers, strict=True)]

    def rows(self, names: Sequence[str]) -> ParquetRows:
        """A reader of some columns."""
        return ParquetRows(self._file, names, self._file_name, self._where)


class ParquetRows:
    """Reads rows forward; a step back or ahead begins again at the row group.

    Args:
        file: The file.
        names: The columns to read.
        file_name: Its name, for messages.
        where: Its path, for messages.
    """

    def __init__(
        self, file: pq.ParquetFile, names: Sequence[str], file_name: str, where: str
    ) -> None:
        self._file, self._names = file, list(names)
        self._file_name, self._where = file_name, where
        groups = (file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))
        self._starts = list(accumulate(groups, initial=0))
        self._position = -1
        self._batches: Iterator[Any] = iter(())
        self._rest: Any = None

    def read(self, start: int, stop: int) -> dict[str, pa.ChunkedArray]:
        """The rows from position start up to, not including, stop; extensions are unwrapped.

        Raises:
            DataError: A part of the file is damaged.
        """
        stop = min(stop, self._starts[-1])
        try:
            if start != self._position:
                self._seek(start)
            table = pa.Table.from_batches(self._take(stop - start))
        except (pa.ArrowException, OSError, ValueError, StopIteration):
            refuse_broken(self._file_name, self._where)
        self._position = stop
        return {name: unwrap(table.column(name)) for name in self._names}

    def _seek(self, position: int) -> None:
        group = max(n for n, start in enumerate(self._starts[:-1]) if start <= position)
        self._batches = self._file.iter_batches(
            _ROWS, range(group, self._file.num_row_groups), self._names, use_threads=False
        )
        self._rest = next(self._batches)
        skipped = position - self._starts[group]
        while skipped:
            skipped -= len(self._take_one(skipped))

    def _take(self, count: int) -> list[Any]:
        parts = []
        while count:
            parts.append(self._take_one(count))
            count -= len(parts[-1])
        return parts or [self._rest.slice(0, 0)]

    def _take_one(self, most: int) -> Any:
        """The next rows, at least one."""
        if not len(self._rest):
            self._rest = next(self._batches)
        part, self._rest = self._rest.slice(0, most), self._rest.slice(most)
        return part


def cell_texts(column: pa.ChunkedArray, *, whole: bool | None = None) -> list[str | None]:
    """The texts of a column, None where there is none; bytes that are not UTF-8 are surrogates.

    Args:
        column: Of texts or numbers, as `ParquetTable.require_text` checks.
        whole: As for `tiprdc.datasets.tables.arrow_columns.as_text`.
    """
    texts = as_text(column, whole=whole)
    assert texts is not None
    cells = texts.cast(pa.large_binary()).to_pylist()
    return [None if cell is None else _decode(cell) for cell in cells]


def _decode(cell: bytes) -> str:
    return cell.decode("utf-8", "surrogateescape").strip()
