"""A CSV, TSV or Parquet file as columns of text; each way it can be wrong has its message."""

from __future__ import annotations

import gzip
import lzma
import warnings
import zlib
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa

from tiprdc.errors import DataError, suggestion

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_COMPRESSIONS = (".gz", ".xz")
_MISSING = ("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL")
_ALLOWED = "a .csv or .tsv file (also .gz or .xz), or a .parquet file, in UTF-8"


def read_source(path: Path, where: str) -> pd.DataFrame:
    """All columns as text, missing where the file has nothing, NA or NaN.

    Args:
        path: The file.
        where: The key that names it, for messages.

    Raises:
        DataError: It is not there, not of a known kind, empty, broken, or names a column twice.
    """
    if not path.is_file():
        near = suggestion(path.name, [p.name for p in path.parent.glob("*") if p.is_file()])
        given = f"{path} is a folder" if path.is_dir() else f"{path} does not exist"
        raise DataError(where, given, _ALLOWED, near or "check the path")
    endings = [ending.lower() for ending in path.suffixes]
    kind = endings[-2] if endings[-1:] and endings[-1] in _COMPRESSIONS and endings[1:] else ""
    kind = kind or (endings[-1] if endings else "")
    if kind == ".parquet" and endings[-1] == kind:
        return _filled(_read_parquet(path, where), path, where)
    if kind not in _SEPARATORS:
        raise DataError(where, f"{path.name} is of an unknown kind", _ALLOWED, "convert the file")
    return _filled(_read_text(path, _SEPARATORS[kind], where), path, where)


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
        raise DataError(
            where,
            f"{path.name} is not UTF-8 (first at byte {error.start:,} of a block)",
            "text in UTF-8",
            "convert it: iconv -f latin1 -t utf-8 OLD > NEW",
        ) from None
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


def _refuse_empty(path: Path, where: str) -> NoReturn:
    raise DataError(where, f"{path.name} is empty", "a header and at least one row", "fill it")
