"""Reads CSV, TSV and Parquet files as columns of text, and text files as lines, or says why not."""

from __future__ import annotations

import gzip
import lzma
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa

from tiprdc.datasets.column_encoding import MISSING
from tiprdc.errors import DataError, suggestion

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_COMPRESSIONS = (".gz", ".xz")
_FILE_TYPES = "a .csv or .tsv file (also .gz or .xz), or a .parquet file, in UTF-8"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The tabular files of a data set, read before any record is opened.

    Args:
        table: One row a record, all columns text. The index names the records in messages.
        notes: Remarks about the files for the report.
        has_official_split: Whether the column of official splits, where one is named, is used.
    """

    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    has_official_split: bool = True


def read_table(path: Path, where: str) -> pd.DataFrame:
    """Read a table with all columns as text, missing where the file has nothing, NA or NaN.

    Args:
        path: The file.
        where: The key that names it, for messages.

    Raises:
        DataError: The file does not exist, is of an unknown type, empty or broken, or has two
            columns of one name.
    """
    if not path.is_file():
        _refuse_absent(path, where, _FILE_TYPES)
    endings = [ending.lower() for ending in path.suffixes]
    kind = endings[-2] if endings[-1:] and endings[-1] in _COMPRESSIONS and endings[1:] else ""
    kind = kind or (endings[-1] if endings else "")
    if kind == ".parquet" and endings[-1] == kind:
        table = _read_parquet(path, where)
    elif kind in _SEPARATORS:
        table = _read_text(path, _SEPARATORS[kind], where)
    else:
        raise DataError(
            where, f"{path.name} is of an unknown type", _FILE_TYPES, "convert the file"
        )
    if table.empty:
        _refuse_empty(path, where)
    return table


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
    try:
        # Only a line feed ends a line: tweets contain Unicode's other separators.
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        _refuse_encoding(path, where, f"byte {error.start + 1:,}")
    if not text.strip():
        raise DataError(where, f"{path.name} is empty", "at least one line", "copy the file again")
    return text.removesuffix("\n").split("\n")


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
        if name not in columns:
            listed = ", ".join(columns[:30]) + (", ..." if len(columns) > 30 else "")
            near = suggestion(name, columns)
            raise DataError(where, f"{file} has no column {name!r}", f"one of {listed}", near)


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
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5:,} more" if len(listed) > 5 else "")


def _read_text(path: Path, separator: str, where: str) -> pd.DataFrame:
    options: dict[str, Any] = {
        "sep": separator,
        "dtype": str,
        "encoding": "utf-8",
        "keep_default_na": False,
        "skipinitialspace": True,
    }
    try:
        header = pd.read_csv(path, header=None, nrows=1, **options)
        names = [str(name).strip() for name in header.iloc[0]]
        _refuse_bad_names(names, path, where)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(
                path, header=0, names=names, index_col=False, na_values=list(MISSING), **options
            )
        return table
    except pd.errors.EmptyDataError:
        _refuse_empty(path, where)
    except UnicodeDecodeError as error:
        _refuse_encoding(path, where, f"byte {error.start:,} of a block")
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        # pandas names line and field numbers here, never a field's content.
        longer = isinstance(error, pd.errors.ParserWarning)
        reason = "longer than the header" if longer else str(error).strip().rpartition("error: ")[2]
        raise DataError(
            where,
            f"{path.name} has rows of unequal length ({reason})",
            "the same number of fields in every row",
            "quote fields that contain the separator, a line break or a quote",
        ) from None
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error):
        raise DataError(
            where, f"{path.name} is truncated or corrupt", hint="copy the file again"
        ) from None


def _read_parquet(path: Path, where: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (pa.ArrowException, OSError):
        raise DataError(
            where, f"{path.name} is not a readable Parquet file", _FILE_TYPES, "copy the file again"
        ) from None
    names = [str(name) for name in table.columns]
    _refuse_bad_names(names, path, where)
    columns = [_as_text(table[column]) for column in table.columns]
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """The texts that a CSV would contain: 1, not 1.0, for whole numbers in a column with gaps."""
    present = values.dropna()
    whole = pd.api.types.is_float_dtype(values) and bool((present == present.round()).all())
    text = (values.astype("Int64") if whole else values).astype(str).str.strip()
    return text.where(values.notna() & ~text.isin(MISSING))


def _refuse_bad_names(names: list[str], path: Path, where: str) -> None:
    if "" in names:
        raise DataError(
            where,
            f"column {names.index('') + 1} of {path.name} has no name",
            "a different name for each column",
            "name or delete it (pandas writes such a column unless index=False)",
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            where,
            f"{path.name} has two columns named {repeated[0]!r}",
            "a different name for each column",
            "rename or delete one",
        )


def _refuse_absent(path: Path, where: str, expected: str) -> NoReturn:
    near = suggestion(path.name, [p.name for p in path.parent.glob("*") if p.is_file()])
    given = f"{path} is a folder" if path.is_dir() else f"{path} does not exist"
    raise DataError(where, given, expected, near or "check the path")


def _refuse_encoding(path: Path, where: str, first: str) -> NoReturn:
    raise DataError(
        where,
        f"{path.name} is not UTF-8 (first at {first})",
        "text in UTF-8",
        "convert it: iconv -f latin1 -t utf-8 OLD > NEW",
    ) from None


def _refuse_empty(path: Path, where: str) -> NoReturn:
    raise DataError(
        where, f"{path.name} is empty", "a header and at least one row", "add rows to the file"
    )
