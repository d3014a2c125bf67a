"""Reads Parquet as the columns of text that a CSV would contain.

Bytes, structs, lists and other values that are no text keep their Arrow type: what a reader cannot
use it refuses by `describe_type`, and Python's form of such a value is never taken for a text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tiprdc.datasets.tables.column_encoding import MISSING
from tiprdc.datasets.tables.names import show_name
from tiprdc.errors import DataError

_INDEX = "__index_level_"
"""How pandas names an index that it writes and nobody named."""
_MOST_EXACT = 2.0**53
"""Whole numbers beyond this have no text of their own in float64."""


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
        raise DataError(
            where, f"{path.name} is not a readable Parquet file", "a .parquet file",
            "copy the file again",
        ) from None  # fmt: skip
    names = [name for name in table.column_names if not name.startswith(_INDEX)]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated or "" in names:
        given = f"two columns named {show_name(repeated[0])!r}" if repeated else "a nameless column"
        expected = "a different name for each column"
        raise DataError(where, f"{path.name} has {given}", expected, "rename or delete one")
    return pd.DataFrame({name: _as_series(table[name]) for name in names})


def is_text(values: pd.Series[Any]) -> bool:
    """Whether a column was read as text."""
    return not isinstance(values.dtype, pd.ArrowDtype)


def arrow_storage(values: pd.Series[Any]) -> pa.ChunkedArray:
    """A column that is no text in Arrow's own types, those of extensions unwrapped."""
    column = pa.chunked_array(values.array.__arrow_array__())
    if isinstance(column.type, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(storage, column.type.storage_type)
    return column


def describe_type(values: pd.Series[Any]) -> str:
    """What a column that is no text contains, in words."""
    kind = values.dtype.pyarrow_dtype if isinstance(values.dtype, pd.ArrowDtype) else pa.string()
    names = {
        "bytes": (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
        "structs": (pa.types.is_struct,),
        "maps": (pa.types.is_map,),
        "lists": (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
        "durations": (pa.types.is_duration,),
    }
    for name, checks in names.items():
        if any(check(kind) for check in checks):
            return name
    return "values that are no text"


def _as_series(column: pa.ChunkedArray) -> pd.Series[Any]:
    try:
        text = _as_text(column)
    except pa.ArrowException:
        text = None
    if text is None:
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    values = pd.Series(text.to_pandas(), dtype="str").str.strip()
    return values.where(~values.isin(MISSING))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as text; None if its values are no text."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        return _as_text(storage)
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if pa.types.is_run_end_encoded(kind):
        return _as_text(pa.chunked_array(map(pc.run_end_decode, column.chunks), kind.value_type))
    if pa.types.is_floating(kind):
        return _float_text(column)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "True", "False")
    plain = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
             pa.types.is_integer, pa.types.is_decimal, pa.types.is_date, pa.types.is_time,
             pa.types.is_timestamp, pa.types.is_null)  # fmt: skip
    return column.cast(pa.string()) if any(check(kind) for check in plain) else None


def _float_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers without decimals if all of a column are whole: 1, not 1.0."""
    numbers = column.to_numpy()
    present = numbers[~np.isnan(numbers)]
    with np.errstate(invalid="ignore"):
        whole = bool((np.isfinite(present) & (present == np.round(present))).all())
    if whole and (np.abs(present) < _MOST_EXACT).all():
        texts = [None if np.isnan(number) else str(int(number)) for number in numbers]
    else:
        texts = [None if np.isnan(number) else str(number) for number in numbers]
    return pa.chunked_array([pa.array(texts, pa.string())])
