"""Pictures inside a Parquet column: bytes, or structs of bytes and path (Hugging Face).

They stay in Arrow's memory, so that workers on one machine share them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tiprdc.datasets.images import is_picture
from tiprdc.datasets.tables.parquet_columns import arrow_storage, is_text

_BYTES, _PATH = "bytes", "path"
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
        paths = _field(column, _PATH)
        column = _field(column, _BYTES)
        if paths is not None and (column is None or column.null_count == len(column)):
            return pd.Series(paths.to_pandas().to_numpy(), index=values.index, dtype="str")
    if column is None or not _is_bytes(column.type) or not _are_pictures(column):
        return None
    data = pd.arrays.ArrowExtensionArray(column.cast(pa.large_binary()))
    return pd.Series(data, index=values.index)


def has_bytes(values: pd.Series[Any]) -> bool:
    """Whether a column of an index holds the files themselves, not paths."""
    return not is_text(values)


def _field(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray | None:
    present = [column.type.field(n).name for n in range(column.type.num_fields)]
    return pc.struct_field(column, name) if name in present else None


def _is_bytes(kind: pa.DataType) -> bool:
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(check(kind) for check in checks)


def _are_pictures(column: pa.ChunkedArray) -> bool:
    """Whether most of the first values begin as pictures do."""
    sample = column.drop_null().slice(0, _SAMPLE).to_pylist()
    return 2 * sum(map(is_picture, sample)) > len(sample)
