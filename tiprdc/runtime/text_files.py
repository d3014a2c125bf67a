"""Reads text and CSV files on a device without pandas; a broken row is reported, not fatal."""

from __future__ import annotations

import csv
from pathlib import Path

from tiprdc.errors import DataError, suggestion
from tiprdc.formats.files import sanitize

SEPARATORS = {".csv": ",", ".tsv": "\t"}


class CsvTable:
    """A .csv or .tsv file in memory.

    Args:
        path: The file.

    Attributes:
        names: The names of the columns.
        rows: The fields of each row.
        invalid: Row -> why it cannot be used.

    Raises:
        DataError: The file cannot be read, has no row, or two columns of one name.
    """

    def __init__(self, path: Path) -> None:
        self._where = where = sanitize(str(path))
        separator = SEPARATORS[path.suffix.lower()]
        self.rows: list[list[str]] = []
        self.invalid: dict[int, str] = {}
        try:
            # Bytes that are not UTF-8 stay recognizable, so that one bad row is one failure.
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
                self.names = [name.strip() for name in next(reader, [])]
                for fields in reader:
                    if fields:
                        self._add_row(fields)
        except csv.Error as error:
            given = f"line {reader.line_num}: {error}"
            raise DataError(where, given, "a table in UTF-8 with a header") from error
        except OSError as error:
            raise DataError(where, f"cannot be read ({type(error).__name__})") from error
        if not self.rows or len(set(self.names)) != len(self.names):
            given = "no row" if not self.rows else "two columns of one name"
            raise DataError(where, given, "a header of different names, and at least one row")

    def column(self, name: str) -> list[str]:
        """The values of a column.

        Raises:
            DataError: There is no such column.
        """
        if name not in self.names:
            listed = ", ".join(map(sanitize, self.names[:30]))
            near = suggestion(name, self.names)
            raise DataError(self._where, f"no column {sanitize(name)!r}", f"one of {listed}", near)
        position = self.names.index(name)
        return [row[position] for row in self.rows]

    def ids(self, name: str | None) -> list[str]:
        """Names of the rows: those of a column, else numbers from 1."""
        if name is None:
            return row_numbers(len(self.rows))
        numbered = zip(self.column(name), row_numbers(len(self.rows)), strict=True)
        return [value or f"row {number}" for value, number in numbered]

    def _add_row(self, fields: list[str]) -> None:
        row, width = len(self.rows), len(self.names)
        if len(fields) != width:
            self.invalid[row] = f"{len(fields)} fields, and the header has {width}"
            fields = [""] * width
        elif not all(map(is_unicode, fields)):
            self.invalid[row] = "not UTF-8"
            fields = [field if is_unicode(field) else "" for field in fields]
        self.rows.append(fields)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; bytes that are not UTF-8 become lone surrogates.

    Raises:
        DataError: The file cannot be read, is empty, or is not text.
    """
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    except OSError as error:
        raise DataError(sanitize(str(path)), f"cannot be read ({type(error).__name__})") from error
    if "\0" in text or not text.strip():
        given = "empty" if not text.strip() else "not a text file"
        raise DataError(sanitize(str(path)), given, "a text file in UTF-8, one record a line")
    # Only a line feed ends a line: texts contain Unicode's other separators.
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def row_numbers(count: int) -> list[str]:
    """Names of rows that have no other: "1", "2" and on."""
    return [str(number) for number in range(1, count + 1)]


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates: it was UTF-8 in its file."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
