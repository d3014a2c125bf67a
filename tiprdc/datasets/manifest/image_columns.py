"""Pictures inside a Parquet column: bytes, or structs of bytes and path (Hugging Face).

They stay in Arrow's memory, so that workers on one machine share them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from tiprdc.datasets.images import is_picture
from tiprdc.datasets.tables.arrow_columns import BYTES, PATH, is_bytes, struct_field
from tiprdc.datasets.tables.parquet_columns import arrow_storage, is_text

_SAMPLE = 100


def find_pictures(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """The pictures of a column.

    Args:
        values: A column of a Parquet file, with Arrow's type where it is no text.

    Returns:
        Bytes of files, as `pandas.ArrowDtype`; paths as text, of structs that hold paths alone;
        None if the column holds no pictures.
    """
    if is_text(values):
        return None
    column = arrow_storage(values)
    if pa.types.is_struct(column.type):
        paths = struct_field(column, PATH)
        column = struct_field(column, BYTES)
        if paths is not None and (column is None or column.null_count == len(column)):
            cells = pd.Series(paths.to_pandas().to_numpy(), index=values.index)
            # pandas 2 makes the text "None" of a cell without a value.
            return cells.astype("str").where(cells.notna())
    if column is None or not is_bytes(column.type) or not _are_pictures(column):
        return None
    data = pd.arrays.ArrowExtensionArray(column.cast(pa.large_binary()))
    return pd.Series(data, index=values.index)


def has_bytes(values: pd.Series[Any]) -> bool:
    """Whether a column of an index holds the files themselves, not paths."""
    return not is_text(values)


def _are_pictures(column: pa.ChunkedArray) -> bool:
    """Whether most of the first values begin as pictures do."""
    sample = column.drop_null().slice(0, _SAMPLE).to_pylist()
    return 2 * sum(map(is_picture, sample)) > len(sample)
