"""Reads Parquet as the columns of text that a CSV would contain.

Bytes, structs, lists and other values that are no text keep their Arrow type: what a reader cannot
use it refuses by `describe_type`, and Python's form of such a value is never taken for a text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tiprdc.datasets.tables.arrow_columns import (
    as_text,
    column_names,
    describe,
    refuse_broken,
    unwrap,
)
from tiprdc.datasets.tables.column_encoding import MISSING
from tiprdc.datasets.tables.names import list_names, show_name
from tiprdc.datasets.tables.text_encoding import is_unicode
from tiprdc.errors import DataError


def read_parquet(path: Path, where: str) -> pd.DataFrame:
    """Read all columns of a Parquet file.

    Args:
        path: The file.
        where: The key that names it, for messages.

    Returns:
        Columns of text, missing where the file has null, NaN or a text of `MISSING`; columns that
        are no text as `pandas.ArrowDtype`.

    Raises:
        DataError: The file is broken, or a column has no name or the name of another.
    """
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError, ValueError):
        refuse_broken(path.name, where)
    return as_columns(table, path.name, where)


def as_columns(table: pa.Table, file: str, where: str) -> pd.DataFrame:
    """The columns of a table of Arrow, as `read_parquet` returns them.

    Args:
        table: All columns.
        file: Name of its file, for messages.
        where: The key that names it, for messages.

    Raises:
        DataError: A column has no name or the name of another, or a text is not UTF-8.
    """
    columns: dict[str, pd.Series[Any]] = {}
    for name in column_names(table.column_names, file, where):
        try:
            columns[name] = _as_series(table[name])
        except (pa.ArrowException, UnicodeDecodeError):
            _refuse_bytes(table[name], name, file, where)
    return pd.DataFrame(columns)


def is_text(values: pd.Series[Any]) -> bool:
    """Whether a column was read as text."""
    return not isinstance(values.dtype, pd.ArrowDtype)


def arrow_storage(values: pd.Series[Any]) -> pa.ChunkedArray:
    """A column that is no text in Arrow's own types, those of extensions unwrapped."""
    return unwrap(pa.chunked_array(values.array.__arrow_array__()))


def describe_type(values: pd.Series[Any]) -> str:
    """What a column that is no text contains, in words."""
    kind = values.dtype.pyarrow_dtype if isinstance(values.dtype, pd.ArrowDtype) else pa.string()
    return describe(kind)


def _refuse_bytes(column: pa.ChunkedArray, name: str, file: str, where: str) -> NoReturn:
    """Refuse a column of text of which some rows are no text."""
    cells = column.cast(pa.large_binary()).to_pylist()
    rows = [f"row {row}" for row, cell in enumerate(cells, start=1) if not _is_utf8(cell)]
    given = f"{file} has {len(rows):,} rows that are not UTF-8 in column {show_name(name)!r}"
    raise DataError(
        where, f"{given}: {list_names(rows, 5)}", "text in UTF-8", "correct or delete these rows"
    )


def _is_utf8(cell: bytes | None) -> bool:
    return cell is None or is_unicode(cell.decode("utf-8", "surrogateescape"))


def _as_series(column: pa.ChunkedArray) -> pd.Series[Any]:
    try:
        text = as_text(column)
    except pa.ArrowException:
        text = None
    if text is None:
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    cells = text.to_pandas()
    # pandas 2 makes the text "None" of a cell without a value.
    values = pd.Series(cells, dtype="str").str.strip()
    return values.where(cells.notna() & ~values.isin(MISSING))
