"""Files as columns of text, or as lines of text; each way they can be wrong has its message."""

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

from tiprdc.errors import DataError, suggestion

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_COMPRESSIONS = (".gz", ".xz")
_MISSING = ("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL")
_ALLOWED = "a .csv or .tsv file (also .gz or .xz), or a .parquet file, in UTF-8"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a data set's files say, before any record is opened.

    Args:
        table: One row a record, all columns text. The index is what a message calls the record.
        notes: What a reader of the report should know about the files.
        official: Whether the column of official splits, where one is named, is to be obeyed.
    """

    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    official: bool = True


def read_source(path: Path, where: str) -> pd.DataFrame:
    """All columns as text, missing where the file has nothing, NA or NaN.

    Args:
        path: The file.
        where: The key that names it, for messages.

    Raises:
        DataError: It is not there, not of a known kind, empty, broken, or names a column twice.
    """
    if not path.is_file():
        _refuse_absent(path, where, _ALLOWED)
    endings = [ending.lower() for ending in path.suffixes]
    kind = endings[-2] if endings[-1:] and endings[-1] in _COMPRESSIONS and endings[1:] else ""
    kind = kind or (endings[-1] if endings else "")
    if kind == ".parquet" and endings[-1] == kind:
        return _filled(_read_parquet(path, where), path, where)
    if kind not in _SEPARATORS:
        raise DataError(where, f"{path.name} is of an unknown kind", _ALLOWED, "convert the file")
    return _filled(_read_text(path, _SEPARATORS[kind], where), path, where)


def read_lines(path: Path, where: str) -> list[str]:
    """The lines of a text file without their ends, empty ones included.

    Args:
        path: The file.
        where: The key that leads to it, for messages.

    Raises:
        DataError: It is not there, not UTF-8, or empty.
    """
    if not path.is_file():
        _refuse_absent(path, where, "a text file in UTF-8")
    try:
        # Only a line feed ends a line: tweets hold Unicode's other separators.
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        _refuse_encoding(path, where, f"byte {error.start + 1:,}")
    if not text.strip():
        raise DataError(where, f"{path.name} is empty", "at least one line", "copy it again")
    return text.removesuffix("\n").split("\n")


def require_columns(names: Iterable[str], given: Iterable[str], file: str, where: str) -> None:
    """Refuse the first name that is not a column of a file.

    Raises:
        DataError: With the columns that there are, and the nearest of them.
    """
    there = list(given)
    for name in names:
        if name not in there:
            listed = ", ".join(there[:30]) + (", ..." if len(there) > 30 else "")
            raise DataError(
                where, f"{file} has no column {name!r}", f"one of {listed}", suggestion(name, there)
            )


def refuse_repeats(pictures: Iterable[str], file: str, where: str) -> None:
    """Each picture stands once in a file.

    Raises:
        DataError: Naming those that stand there twice.
    """
    names = pd.Series(list(pictures), dtype=str)
    repeated = names[names.duplicated()].unique().tolist()
    if repeated:
        raise DataError(
            where,
            f"{file} lists {len(repeated):,} pictures twice: {shown(repeated)}",
            "each picture once",
            "delete the repeated lines",
        )


def shown(names: Iterable[str]) -> str:
    """The first five of some names of files or rows, and how many more there are."""
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
                path, header=0, names=names, index_col=False, na_values=_MISSING, **options
            )
        return table
    except pd.errors.EmptyDataError:
        _refuse_empty(path, where)
    except UnicodeDecodeError as error:
        _refuse_encoding(path, where, f"byte {error.start:,} of a block")
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        # pandas names line and field numbers here, never a field's content.
        longer = isinstance(error, pd.errors.ParserWarning)
        said = "longer than the header" if longer else str(error).strip().rpartition("error: ")[2]
        raise DataError(
            where,
            f"{path.name} has rows of unequal length ({said})",
            "the same number of fields in every row",
            "quote fields that hold the separator, a line break or a quote",
        ) from None
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error):
        raise DataError(
            where, f"{path.name} is truncated or corrupt", "a whole file", "copy it again"
        ) from None


def _read_parquet(path: Path, where: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (pa.ArrowException, OSError):
        raise DataError(
            where, f"{path.name} is not a readable Parquet file", _ALLOWED, "copy it again"
        ) from None
    names = [str(name) for name in table.columns]
    _refuse_bad_names(names, path, where)
    columns = [_as_text(table[column]) for column in table.columns]
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """As a CSV would hold it: 1 and not 1.0 for whole numbers that have gaps among them."""
    present = values.dropna()
    whole = pd.api.types.is_float_dtype(values) and bool((present == present.round()).all())
    text = (values.astype("Int64") if whole else values).astype(str).str.strip()
    return text.where(values.notna() & ~text.isin(_MISSING))


def _refuse_bad_names(names: list[str], path: Path, where: str) -> None:
    if "" in names:
        raise DataError(
            where,
            f"column {names.index('') + 1} of {path.name} has no name",
            "a different name for each column",
            "name or delete it (pandas writes such a column unless told index=False)",
        )
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(
            where,
            f"{path.name} has two columns named {double[0]!r}",
            "a different name for each column",
            "rename or delete one",
        )


def _filled(table: pd.DataFrame, path: Path, where: str) -> pd.DataFrame:
    if table.empty:
        _refuse_empty(path, where)
    return table


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
    raise DataError(where, f"{path.name} is empty", "a header and at least one row", "fill it")
