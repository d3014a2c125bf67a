"""Reads CSV, TSV, Parquet and .npz as columns of text, and text files as lines, or says why not."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pandas as pd

from tiprdc.datasets.tables.column_encoding import MISSING
from tiprdc.datasets.tables.delimited import read_delimited, refuse_invalid_rows
from tiprdc.datasets.tables.dialect import SEPARATORS, Dialect
from tiprdc.datasets.tables.names import list_names, refuse_absent_column
from tiprdc.datasets.tables.npz_columns import read_npz
from tiprdc.datasets.tables.parquet_columns import read_parquet
from tiprdc.datasets.tables.text_encoding import UTF8, Location, decode, encoding_hint, is_unicode
from tiprdc.errors import DataError, suggestion

_OPENERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress}
_ARROW = {".parquet": read_parquet, ".npz": read_npz}
_FILE_TYPES = "a .csv or .tsv file (also .gz or .xz), or a .parquet or .npz file"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The tabular files of a data set, read before any record is opened.

    Args:
        table: One row a record, all columns text; columns of Parquet that are no text hold
            `NotText`. The index names the records in messages.
        notes: Remarks about the files for the report.
        has_official_split: Whether the column of official splits, where one is named, is used.
        has_header: Whether the names of the columns are a line of a text file, which may be a
            record.
    """

    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    has_official_split: bool = True
    has_header: bool = False


def read_source(path: Path, where: str, dialect: Dialect | None = None, key: str = "") -> Source:
    """Read a table with all columns as text, missing where the file has nothing, NA or NaN.

    Args:
        path: The file.
        where: The key that names it, for messages.
        dialect: How a text file is written; None: commas or tabulators, in UTF-8.
        key: Prefix of the keys of the dialect, for hints; empty where it has none.

    Raises:
        DataError: The file does not exist, is of an unknown type, empty or broken, has rows of
            different lengths, or two columns of one name.
    """
    if not path.is_file():
        _refuse_absent(path, where, _FILE_TYPES)
    endings = [ending.lower() for ending in path.suffixes]
    kind = endings[-2] if endings[-1:] and endings[-1] in _OPENERS and endings[1:] else ""
    kind = kind or (endings[-1] if endings else "")
    if kind in _ARROW and endings[-1] == kind:
        source = Source(table=_ARROW[kind](path, where))
    elif kind in SEPARATORS:
        source = _read_text(path, kind, dialect or Dialect(), Location(where, path.name, key))
    else:
        raise DataError(
            where, f"{path.name} is of an unknown type", _FILE_TYPES, "convert the file"
        )
    if source.table.empty:
        raise DataError(
            where, f"{path.name} is empty", "a header and at least one row", "add rows to the file"
        )
    return source


def read_lines(path: Path, where: str) -> list[str]:
    """Read the lines of a text file without their ends, empty ones included.

    Args:
        path: The file.
        where: The key that leads to it, for messages.

    Raises:
        DataError: The file does not exist, is not in UTF-8, or is empty.
    """
    if not path.is_file():
        _refuse_absent(path, where, "a text file in UTF-8")
    data, location = path.read_bytes(), Location(where, path.name)
    # Only a line feed ends a line: tweets contain Unicode's other separators.
    text = decode(data, UTF8, location).replace("\r\n", "\n")
    if not text.strip():
        raise DataError(where, f"{path.name} is empty", "at least one line", "copy the file again")
    lines = text.removesuffix("\n").split("\n")
    if not is_unicode(text):
        number = next(n for n, line in enumerate(lines, start=1) if not is_unicode(line))
        given = f"{path.name}, line {number:,}, is not UTF-8"
        raise DataError(where, given, "text in UTF-8", encoding_hint(data, location))
    return lines


def require_columns(names: Iterable[str], available: Iterable[str], file: str, where: str) -> None:
    """Refuse the first name that is not a column of a file.

    Args:
        names: Columns that are needed.
        available: Columns of the file.
        file: Its name, for messages.
        where: The key that names the columns, for messages.

    Raises:
        DataError: Lists the columns of the file, and suggests the nearest.
    """
    columns = list(available)
    for name in names:
        refuse_absent_column(name, columns, file, where)


def refuse_duplicates(images: Iterable[str], file: str, where: str) -> None:
    """Refuse a file that lists an image twice.

    Raises:
        DataError: Names the images.
    """
    names = pd.Series(list(images), dtype=str)
    repeated = names[names.duplicated()].unique().tolist()
    if repeated:
        raise DataError(
            where,
            f"{file} lists {len(repeated):,} images twice: {first_names(repeated)}",
            "each image once",
            "delete the repeated lines",
        )


def first_names(names: Iterable[str]) -> str:
    """The first five of these names, and the number of the others, for messages."""
    return list_names(names, 5)


def _read_text(path: Path, ending: str, dialect: Dialect, location: Location) -> Source:
    try:
        data = _OPENERS.get(path.suffix.lower(), bytes)(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error):
        raise DataError(
            location.where, f"{path.name} is truncated or corrupt", hint="copy the file again"
        ) from None
    except OSError as error:
        raise DataError(
            location.where, f"{path.name} cannot be read ({type(error).__name__})",
            hint="check its permissions",
        ) from None  # fmt: skip
    table = read_delimited(data, dialect.separator(ending), dialect, location)
    refuse_invalid_rows(table, data, location)
    columns = {name: _present(pd.Series(table.column(name), dtype="str")) for name in table.names}
    spanning = f"{table.multiline:,} rows span several lines, between quotation marks."
    return Source(
        table=pd.DataFrame(columns), notes=(spanning,) if table.rowlike else (), has_header=True
    )


def _present(values: pd.Series[str]) -> pd.Series[str]:
    return values.where(~values.str.strip().isin(MISSING))


def _refuse_absent(path: Path, where: str, expected: str) -> NoReturn:
    near = suggestion(path.name, [p.name for p in path.parent.glob("*") if p.is_file()])
    given = f"{path} is a folder" if path.is_dir() else f"{path} does not exist"
    raise DataError(where, given, expected, near or "check the path")
