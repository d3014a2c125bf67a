"""Reads text and CSV files on a device; a broken row is reported, not fatal."""

from __future__ import annotations

from pathlib import Path

from tiprdc.datasets.tables.delimited import read_delimited
from tiprdc.datasets.tables.dialect import Dialect
from tiprdc.datasets.tables.names import refuse_absent_field
from tiprdc.datasets.tables.text_encoding import Location, decode
from tiprdc.errors import DataError
from tiprdc.formats.files import sanitize


class CsvTable:
    """A .csv or .tsv file in memory.

    Args:
        path: The file.
        dialect: How it is written; None: commas or tabulators, in UTF-8.

    Attributes:
        names: The names of the columns.
        rows: The fields of each row.
        invalid: Row -> why it cannot be used, with its line.

    Raises:
        DataError: The file cannot be read, has no row, or two columns of one name; or its
            quotation marks swallow rows.
    """

    def __init__(self, path: Path, dialect: Dialect | None = None) -> None:
        self._where = sanitize(str(path))
        dialect = dialect or Dialect()
        data, separator = _read(path), dialect.separator(path.suffix.lower())
        self._table = read_delimited(data, separator, dialect, _location(path))
        self.names, self.rows = self._table.names, self._table.rows
        self.invalid = self._table.invalid

    def column(self, name: str) -> list[str]:
        """The values of a column.

        Raises:
            DataError: There is no such column; suggests the nearest.
        """
        if name not in self.names:
            columns = {present: self._table.column(present) for present in self.names}
            refuse_absent_field(name, columns, "the table", self._where)
        return self._table.column(name)

    def ids(self, name: str | None) -> list[str]:
        """Names of the rows: those of a column, else numbers from 1."""
        if name is None:
            return row_numbers(len(self.rows))
        numbered = zip(self.column(name), row_numbers(len(self.rows)), strict=True)
        return [value or f"row {number}" for value, number in numbered]


def read_lines(path: Path, dialect: Dialect | None = None) -> list[str]:
    """The lines of a text file; bytes that are not UTF-8 become lone surrogates.

    Raises:
        DataError: The file cannot be read, is empty, or is not text of the stated encoding.
    """
    text = decode(_read(path), (dialect or Dialect()).encoding, _location(path))
    if not text.strip():
        expected = "a text file in UTF-8, one record a line"
        raise DataError(sanitize(str(path)), "empty", expected)
    # Only a line feed ends a line: texts contain Unicode's other separators.
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def row_numbers(count: int) -> list[str]:
    """Names of rows that have no other: "1", "2" and on."""
    return [str(number) for number in range(1, count + 1)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(sanitize(str(path)), f"cannot be read ({type(error).__name__})") from error


def _location(path: Path) -> Location:
    return Location(sanitize(str(path)), sanitize(path.name), "--")
