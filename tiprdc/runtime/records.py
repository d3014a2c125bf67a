"""Reads a device's pictures, recordings, texts or table rows in batches, as a release takes them.

Each record has a name and the order is always the same. A record that cannot be read is a
`FailedRecord` with a reason; it never stops the run and is never skipped silently.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.datasets.tables.dialect import SEPARATORS, Dialect
from tiprdc.datasets.tables.text_encoding import is_unicode
from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.formats.files import sanitize, sha256
from tiprdc.formats.manifest import Contract
from tiprdc.runtime.columns import encode_columns, is_missing
from tiprdc.runtime.file_decoders import FILES, file_decoder
from tiprdc.runtime.file_lists import FileKind, ListedFile, list_files, list_paths
from tiprdc.runtime.record_source import (
    NOT_FINITE,
    FailedRecord,
    RecordBatch,
    RecordSource,
    as_positions,
    digest_lines,
    select_failures,
)
from tiprdc.runtime.text_files import CsvTable, read_lines, row_numbers

PARQUET = ".parquet"


def open_records(
    path: Path,
    contract: Contract,
    *,
    column: str | None = None,
    id_column: str | None = None,
    dialect: Dialect | None = None,
) -> RecordSource:
    """Open the records at a path for a release.

    Args:
        path: For pictures and recordings a folder, a file, or a .txt that lists paths line by line,
            relative to the list; also a .parquet of pictures, or a .csv or .tsv with a column of
            paths of recordings; for texts a .txt with one a line, a .csv, .tsv or .parquet; for
            tables .csv, .tsv, .parquet, or a .npy of numbers `[N, F]` in the order of the release's
            columns.
        contract: Of the release.
        column: For texts in a table, the column of texts; for pictures in a .parquet and paths of
            recordings in a table, their column, where several may be.
        id_column: In a table, the column of the records' names; else they are numbered from 1.
        dialect: How a text file is written; None: as its ending says, in UTF-8.

    Raises:
        DataError: There are no such records at the path.
        ConfigError: An option is missing, or does not apply to this kind of record; or pyarrow,
            which reads Parquet, is not installed.
    """
    if not path.exists():
        near = suggestion(path.name, [p.name for p in path.parent.glob("*")])
        raise DataError(sanitize(str(path)), "no such file or folder", hint=near)
    suffix, modality, dialect = path.suffix.lower(), contract.modality, dialect or Dialect()
    is_parquet = suffix == PARQUET and path.is_file()
    is_table = is_parquet or (suffix in SEPARATORS and modality != "image")
    for option, name in (("--column", column), ("--id", id_column)):
        if name is not None and not is_table:
            given = f"{sanitize(name)!r} names a column, but the input is not a table"
            raise ConfigError(option, given, "only with a .csv, .tsv or .parquet")
    if modality == "table" and column is not None:
        given = f"{sanitize(column)!r}, but the release takes the columns of a table"
        raise ConfigError("--column", given, "only for a release that takes texts or pictures")
    if is_parquet:
        return _open_parquet(path, contract, column, id_column, dialect)
    if modality == "audio" and is_table:
        return FileRows(path, contract, column, id_column, dialect)
    if modality in FILES:
        return FileRecords(path, contract)
    if modality == "table" and suffix == ".npy":
        return ArrayRecords(path, contract)
    if modality == "table":
        return TableRecords(path, contract, id_column, dialect)
    return TextRecords(path, column, id_column, dialect)


def _open_parquet(
    path: Path, contract: Contract, column: str | None, id_column: str | None, dialect: Dialect
) -> RecordSource:
    try:
        from tiprdc.runtime import parquet_records
    except ImportError:
        raise ConfigError(
            "INPUT", "Parquet needs pyarrow, which is not installed", hint="pip install pyarrow"
        ) from None
    if contract.modality == "audio":
        raise DataError(
            sanitize(str(path)), "Parquet, and the release takes recordings",
            "a folder, a recording, a .txt or a .csv of paths", "write the paths into a .csv",
        )  # fmt: skip
    if contract.modality == "image":
        return parquet_records.PictureRows(path, contract, column, id_column)
    if contract.modality == "table":
        return parquet_records.TableRows(path, contract, id_column, dialect.decimal)
    return parquet_records.TextRows(path, column, id_column)


class FileRecords(RecordSource):
    """Pictures or recordings: files of a folder and its subfolders, or of a list."""

    def __init__(self, path: Path, contract: Contract) -> None:
        kind = FILES[contract.modality]
        self._decode, self._contract = file_decoder(contract), contract
        self._files, self.notes = self._list(path, kind)
        if not self._files:
            raise DataError(
                sanitize(str(path)), f"no {kind.one} in it", f"a folder with {kind.many}"
            )
        self.ids = [file.id for file in self._files]
        self.digest = digest_lines(f"{file.id}\0{_file_state(file.path)}" for file in self._files)

    def read(self, start: int, stop: int) -> RecordBatch:
        records: list[NDArray[Any]] = []
        positions: list[int] = []
        failures: dict[int, FailedRecord] = {}
        for position, file in enumerate(self._files[start:stop], start):
            try:
                if file.reason:
                    raise UnusableFileError(file.reason)
                records.append(self._decode(file.path))
                positions.append(position)
            except UnusableFileError as error:
                failures[position] = FailedRecord(id=self.ids[position], reason=str(error))
        none = np.zeros((0, *self._contract.input_shape), self._contract.input.dtype)
        return RecordBatch(
            np.stack(records) if records else none, as_positions(positions), failures
        )

    def _list(self, path: Path, kind: FileKind) -> tuple[list[ListedFile], tuple[str, ...]]:
        return list_files(path, kind)


class FileRows(FileRecords):
    """Files whose paths are in a column of a table."""

    def __init__(
        self,
        path: Path,
        contract: Contract,
        column: str | None,
        id_column: str | None,
        dialect: Dialect,
    ) -> None:
        self._table, self._column = CsvTable(path, dialect), column
        super().__init__(path, contract)
        if id_column is not None:
            self.ids = self._table.ids(id_column)
            self.digest = digest_lines([id_column, self.digest])

    def _list(self, path: Path, kind: FileKind) -> tuple[list[ListedFile], tuple[str, ...]]:
        cells = [cell.strip() for cell in self._table.column(self._column or self._only(kind))]
        names = [f"row {number}" for number in row_numbers(len(cells))]
        reasons = {row: "an empty cell" for row, cell in enumerate(cells) if not cell}
        reasons |= self._table.invalid
        rows = [row for row in range(len(cells)) if row not in reasons]
        listed = iter(list_paths(path, [(names[row], cells[row]) for row in rows], kind))
        return [
            ListedFile(names[row], path, reasons[row]) if row in reasons else next(listed)
            for row in range(len(cells))
        ], ()

    def _only(self, kind: FileKind) -> str:
        names = [
            name
            for name in self._table.names
            if any(cell.lower().endswith(kind.suffixes) for cell in self._table.column(name))
        ]
        if len(names) != 1:
            given = f"not given, and {len(names)} columns have paths of {kind.many}"
            expected = f"the column of the {kind.many}"
            hint = f"add --column {sanitize(names[0])}" if names else ""
            raise ConfigError("--column", given, expected, hint)
        return names[0]


class TextRecords(RecordSource):
    """One text a line, or one a row in a column of a table."""

    def __init__(
        self, path: Path, column: str | None, id_column: str | None, dialect: Dialect
    ) -> None:
        if path.suffix.lower() in SEPARATORS:
            if column is None:
                raise ConfigError("--column", "not given", "the column that contains the texts")
            table = CsvTable(path, dialect)
            self._texts, self._invalid = table.column(column), dict(table.invalid)
            self.ids = table.ids(id_column)
        else:
            self._texts, self._invalid = read_lines(path, dialect), {}
            self.ids = row_numbers(len(self._texts))
        for row, text in enumerate(self._texts):
            if is_missing(text):
                self._invalid.setdefault(row, "an empty text")
            elif not is_unicode(text):
                self._invalid.setdefault(row, "not UTF-8")
        self.digest = digest_lines([column or "", id_column or "", repr(dialect), sha256(path)])

    def read(self, start: int, stop: int) -> RecordBatch:
        rows = [row for row in range(start, min(stop, len(self))) if row not in self._invalid]
        texts = [self._texts[row] for row in rows]
        failures = select_failures(self._invalid, self.ids, start, stop)
        return RecordBatch(texts, as_positions(rows), failures)


class TableRecords(RecordSource):
    """Rows of a table with the input columns of a release."""

    def __init__(
        self, path: Path, contract: Contract, id_column: str | None, dialect: Dialect
    ) -> None:
        if path.suffix.lower() not in SEPARATORS:
            raise DataError(
                sanitize(str(path)), "not a table", "a .csv, .tsv, .parquet or .npy file"
            )
        table = CsvTable(path, dialect)
        columns = {column.name: table.column(column.name) for column in contract.columns}
        self.ids = table.ids(id_column)
        self._invalid = dict(table.invalid)
        self._x, invalid_numbers = encode_columns(contract.columns, columns, dialect.decimal)
        for row, name in invalid_numbers.items():
            self._invalid.setdefault(row, f"{sanitize(name)} is not a number")
        self.digest = digest_lines([id_column or "", repr(dialect), sha256(path)])

    def read(self, start: int, stop: int) -> RecordBatch:
        valid = (row for row in range(start, min(stop, len(self))) if row not in self._invalid)
        rows = as_positions(valid)
        return RecordBatch(
            self._x[rows], rows, select_failures(self._invalid, self.ids, start, stop)
        )


def _file_state(file: Path) -> str:
    """A text that changes when the file is replaced."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}" if stat.S_ISREG(status.st_mode) else "no file"


class ArrayRecords(RecordSource):
    """Rows of a .npy file of numbers, one for each input column of a release."""

    def __init__(self, path: Path, contract: Contract) -> None:
        where, width = sanitize(str(path)), len(contract.columns)
        named = [column.name for column in contract.columns if column.categories]
        if named:
            given = f"numbers, but the release takes categories of {sanitize(named[0])!r}"
            raise DataError(where, given, "a .csv or .tsv file")
        self._array = _open_array(path, where)
        if self._array.ndim != 2 or self._array.shape[1] != width or not len(self._array):
            given = f"an array of shape {list(self._array.shape)}"
            raise DataError(where, given, f"numbers [N, {width}], as the release's columns")
        self.ids = row_numbers(len(self._array))
        self.digest = digest_lines([sha256(path)])

    def read(self, start: int, stop: int) -> RecordBatch:
        with np.errstate(over="ignore"):
            x = np.array(self._array[start:stop], dtype=np.float32)
        finite = np.isfinite(x).all(axis=1)
        reasons = dict.fromkeys((start + np.flatnonzero(~finite)).tolist(), NOT_FINITE)
        failures = select_failures(reasons, self.ids, start, stop)
        return RecordBatch(x[finite], start + np.flatnonzero(finite), failures)


def _open_array(path: Path, where: str) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        given = f"cannot be read ({type(error).__name__})"
        raise DataError(where, given, "a .npy file of numbers") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(where, "it holds no array of numbers", "a .npy file of numbers")
    return array
