"""Shows names of columns and categories in messages: few, short, and never a person's record.

The first line of a table without a header is somebody's record. So names that a text file gives
its columns are shown only if that line does not look like a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tiprdc.datasets.tables.column_encoding import is_number
from tiprdc.errors import DataError, suggestion

MOST_NAMES = 30
"""Names in one message."""
MOST_LETTERS = 40
"""Letters of one name."""
ADD_HEADER = "add a first line with the names of the columns"


def one_line(text: str) -> str:
    """A text without characters that break a line or rewrite a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def show_name(name: str) -> str:
    """A name on one line, cut to `MOST_LETTERS`."""
    plain = one_line(name)
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 3] + "..."


def list_names(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """The first of these names, and the number of the others."""
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(map(show_name, listed[:most])) + more


def looks_like_record(columns: Iterable[tuple[str, Iterable[object]]]) -> bool:
    """Whether the first line of a text file looks like a record, not like names of columns.

    Args:
        columns: Each field of the first line, with the values below it.
    """
    return any(_is_value(name, values) for name, values in columns)


def refuse_absent_column(name: str, names: Iterable[str], file: str, where: str) -> None:
    """Refuse a name that is not among those of a file's columns.

    Args:
        name: The column that is needed.
        names: The columns that there are.
        file: Name of the file, for messages.
        where: The key that names the column, for messages.

    Raises:
        DataError: Lists the columns and suggests the nearest.
    """
    columns = list(map(show_name, names))
    if show_name(name) not in columns:
        given = f"{file} has no column {show_name(name)!r}"
        raise DataError(
            where, given, f"one of {list_names(columns)}", suggestion(show_name(name), columns)
        )


def refuse_absent_field(
    name: str, columns: Mapping[str, Iterable[object]], file: str, where: str
) -> None:
    """Refuse a name that is not in the first line of a text file.

    Args:
        name: The column that is needed.
        columns: Field of the first line -> the values below it.
        file: Name of the file, for messages.
        where: The key that names the column, for messages.

    Raises:
        DataError: As `refuse_absent_column`; shows no names if the first line looks like a record.
    """
    if name in columns:
        return
    if not looks_like_record(columns.items()):
        refuse_absent_column(name, columns, file, where)
    near = suggestion(name, (n for n, values in columns.items() if not _is_value(n, values)))
    raise DataError(
        where,
        f"{file} has no column {show_name(name)!r}; it seems to have no header: its first line"
        " looks like a record",
        "a header with the names of the columns",
        near or ADD_HEADER,
    )


def _is_value(name: str, values: Iterable[object]) -> bool:
    """Whether a field of the first line is a number, has several parts, or recurs below it."""
    return (
        is_number(name) or bool(set(name) & set(";|\t")) or any(name == value for value in values)
    )
