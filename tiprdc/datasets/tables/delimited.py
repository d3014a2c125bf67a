"""Reads CSV and TSV for `prepare` and for devices, by one set of rules and without pandas.

A field that begins with a quotation mark ends at the next one, as RFC 4180 says. In a file whose
texts hold quotation marks of their own such a field swallows the rows up to the next mark. So rows
are compared with lines: where a field spans lines that look like rows, the file is refused until
the user says what its quotation marks are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from tiprdc.datasets.tables.dialect import TAB, Dialect
from tiprdc.datasets.tables.names import ADD_HEADER, looks_like_record, show_name
from tiprdc.datasets.tables.text_encoding import Location, decode, encoding_hint, is_unicode
from tiprdc.errors import DataError

_CANDIDATES = (",", ";", "\t", "|")
_MOST_LETTERS = 2**24
"""Letters of one field; Python's own limit is shorter than a long text."""
_EXCEL = re.compile(r"sep=.?[\r\n]", re.IGNORECASE)
_NOT_UTF8 = "is not UTF-8"
_LONG = 5
"""Lines that look like rows in one field from which it is refused in any file."""


@dataclass
class DelimitedTable:
    """Rows of a delimited text file.

    Attributes:
        names: Names of the columns, each once.
        rows: Fields of each row, as many as there are names.
        lines: Line on which each row begins, from 1.
        invalid: Row -> why it cannot be used, with its line; its fields are empty.
        multiline: Number of rows that span several lines.
        rowlike: Number of those whose further lines look like rows.
    """

    names: list[str]
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    invalid: dict[int, str] = field(default_factory=dict)
    multiline: int = 0
    rowlike: int = 0

    def column(self, name: str) -> list[str]:
        """The values of a column."""
        position = self.names.index(name)
        return [row[position] for row in self.rows]


def read_delimited(
    data: bytes, separator: str, dialect: Dialect, location: Location
) -> DelimitedTable:
    """Read the bytes of a delimited text file.

    Args:
        data: The file.
        separator: What separates its fields.
        dialect: Encoding and quotation marks.
        location: For messages.

    Raises:
        DataError: The encoding or the separator is another one, quotation marks swallow rows, the
            file is empty, or its header has a name twice or an empty one.
    """
    text = decode(data, dialect.encoding, location)
    if _EXCEL.match(text):
        raise DataError(
            location.where, f"line 1 of {location.file} is a note for Excel (sep=)",
            "a header in the first line", "delete line 1",
        )  # fmt: skip
    table = _parse(text, separator, dialect.quotes, location)
    if not all(map(is_unicode, table.names)):
        given = f"{location.file}, the line of the header {_NOT_UTF8}"
        raise DataError(location.where, given, "text in UTF-8", encoding_hint(data, location))
    if dialect.delimiter is None and (len(table.names) == 1 or table.invalid):
        _refuse_other_separator(text, separator, table.names, location)
    if not table.rows:
        given = f"{location.file} is empty"
        raise DataError(
            location.where, given, "a header and at least one row", "add rows to the file"
        )
    _refuse_bad_names(table, location)
    if not is_unicode(text):
        for row, fields in enumerate(table.rows):
            if not all(map(is_unicode, fields)):
                table.invalid.setdefault(row, f"line {table.lines[row]:,} {_NOT_UTF8}")
                table.rows[row] = [one if is_unicode(one) else "" for one in fields]
    return table


def refuse_invalid_rows(table: DelimitedTable, data: bytes, location: Location) -> None:
    """Refuse a file of which some rows cannot be used.

    Args:
        table: Its rows.
        data: Its bytes.
        location: For messages.

    Raises:
        DataError: Names the first line and the number of others.
    """
    if not table.invalid:
        return
    reason = table.invalid[min(table.invalid)]
    others = len(table.invalid) - 1
    more = f" ({others:,} more such {'row' if others == 1 else 'rows'})" if others else ""
    if reason.endswith(_NOT_UTF8):
        hint, expected = encoding_hint(data, location), "text in UTF-8"
    else:
        hint = "quote fields that contain the separator or a line break, or correct the line"
        expected = "the same number of fields in every row"
    raise DataError(location.where, f"{location.file}, {reason}{more}", expected, hint)


def _parse(text: str, separator: str, quotes: str, location: Location) -> DelimitedTable:
    lines = _Lines(text)
    rows = iter(_reader(lines, separator, quotes))
    table: DelimitedTable | None = None
    start = 1
    long = False
    try:
        for fields in rows:
            spanned = lines.take()
            if not _is_blank(fields, table):
                if table is None:
                    table = DelimitedTable([name.strip() for name in fields])
                else:
                    _add_row(table, fields, start)
                    long |= _count_lines(table, spanned, separator)
            start = lines.number + 1
    except csv.Error as error:
        _refuse_quotes(text, separator, start, lines.number, str(error), location)
    table = table or DelimitedTable([])
    if quotes == "auto" and (long or 2 * table.rowlike > table.multiline):
        _refuse_swallowed(text, separator, table, location)
    return table


def _reader(lines: Iterable[str], separator: str, quotes: str) -> Iterator[list[str]]:
    csv.field_size_limit(_MOST_LETTERS)
    if quotes == "literal":
        return csv.reader(lines, delimiter=separator, skipinitialspace=True, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)


class _Lines(Iterator[str]):
    """Lines of a text, which remembers those of the current row."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self._current: list[str] = []
        self.number = 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._current.append(line)
        return line

    def take(self) -> list[str]:
        """The lines of the row that was just read."""
        current, self._current = self._current, []
        return current


def _is_blank(fields: Sequence[str], table: DelimitedTable | None) -> bool:
    """Whether a line has nothing in it; in a table of one column it is a row without a value."""
    if any(fields[1:]) or (fields and fields[0].strip()) or len(fields) > 1:
        return False
    return table is None or len(table.names) != 1


def _add_row(table: DelimitedTable, fields: list[str], line: int) -> None:
    width = len(table.names)
    if width == 1 and not fields:
        fields = [""]
    if len(fields) != width:
        given = f"{len(fields):,} {'field' if len(fields) == 1 else 'fields'}"
        table.invalid[len(table.rows)] = f"line {line:,} has {given}, and the header has {width:,}"
        fields = [""] * width
    table.rows.append(fields)
    table.lines.append(line)


def _count_lines(table: DelimitedTable, lines: Sequence[str], separator: str) -> bool:
    """Count a row that spans several lines; whether too many of them look like rows."""
    first, *further = [line for line in lines if line.strip()] or [""]
    if not further:
        return False
    table.multiline += 1
    width = len(table.names)
    # True line breaks in a first column leave a first line that is too short for a row.
    if not _looks_like_row(first, width, separator):
        return False
    rowlike = sum(_looks_like_row(line, width, separator) for line in further)
    table.rowlike += 2 * rowlike >= len(further)
    return rowlike >= _LONG and 4 * rowlike >= 3 * len(further)


def _looks_like_row(line: str, width: int, separator: str) -> bool:
    """Whether a line has as many fields as the header, with or without quotation marks."""
    if line.count(separator) + 1 == width:
        return True
    return len(next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])) == width


def _refuse_quotes(
    text: str, separator: str, start: int, end: int, error: str, location: Location
) -> NoReturn:
    if "field limit" in error:
        raise DataError(
            location.where, f"{location.file}, line {start:,}, has a field of more than"
            f" {_MOST_LETTERS:,} letters", "shorter fields",
        )  # fmt: skip
    span = f"line {start:,}" if start == end else f"lines {start:,} to {end:,}"
    raise DataError(
        location.where,
        f"{location.file}, {span}: a field begins with a quotation mark and does not end with one",
        "quotation marks around whole fields, and twice for each one inside such a field",
        _literal_hint(text, separator, location) or f"correct line {start:,}",
    )


def _refuse_swallowed(
    text: str, separator: str, table: DelimitedTable, location: Location
) -> NoReturn:
    count = f"{table.rowlike:,} {'field' if table.rowlike == 1 else 'fields'}"
    literal = _literal_hint(text, separator, location)
    enclose = location.set_to("quotes", "enclose", "")
    enclose = enclose and f"{enclose} if these fields do have line breaks"
    raise DataError(
        location.where,
        f"{location.file}: {count} between quotation marks would swallow lines that look like rows",
        "one line a row, or quotation marks around whole fields",
        "; ".join(filter(None, (literal, enclose)))
        or "write each quotation mark in a text twice, and one at each end of the text",
    )


def _literal_hint(text: str, separator: str, location: Location) -> str:
    """What helps if quotation marks are letters; empty if not every line would then be a row."""
    if len(_widths(text, separator, "literal")) != 1:
        return ""
    otherwise = "write each quotation mark in a text twice, and one at each end of the text"
    hint = location.set_to("quotes", "literal", otherwise)
    return f"{hint} if quotation marks are letters of the texts" if location.key else hint


def _refuse_other_separator(
    text: str, separator: str, names: Sequence[str], location: Location
) -> None:
    """Refuse a file that another separator divides into rows, or whose header has one alone."""
    for other in (mark for mark in _CANDIDATES if mark != separator):
        widths = _widths(text, other, "enclose") or _widths(text, other, "literal")
        if (len(widths) == 1 and max(widths) > 1) or (len(names) == 1 and other in names[0]):
            shown = TAB if other == "\t" else f'"{other}"'
            raise DataError(
                location.where,
                f"the fields of {location.file} seem to be separated by {shown}",
                TAB if separator == "\t" else f'"{separator}"',
                location.set_to("delimiter", shown, "write the file with the expected separator"),
            )


def _widths(text: str, separator: str, quotes: str) -> set[int]:
    """Numbers of fields of the rows; none if the text cannot be read so."""
    try:
        rows = _reader(io.StringIO(text, newline=""), separator, quotes)
        return {len(row) for row in rows if row}
    except csv.Error:
        return set()


def _refuse_bad_names(table: DelimitedTable, location: Location) -> None:
    names = table.names
    repeated = [name for name in names if name and names.count(name) > 1]
    if "" not in names and not repeated:
        return
    columns = [(name, [row[n] for row in table.rows]) for n, name in enumerate(names) if name]
    given = f"column {names.index('') + 1:,} of {location.file} has no name" if "" in names else ""
    hint = "name or delete it (pandas writes such a column unless index=False)"
    if looks_like_record(columns):
        given = f"{location.file} seems to have no header: its first line looks like a record"
        hint = ADD_HEADER
    elif repeated:
        given = f"{location.file} has two columns named {show_name(sorted(repeated)[0])!r}"
        hint = "rename or delete one"
    raise DataError(location.where, given, "a different name for each column", hint)
