"""Reads a .npz file of NumPy as the table that a Parquet file of the same arrays would be."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tiprdc.datasets.tables.names import show_name
from tiprdc.datasets.tables.parquet_columns import as_columns
from tiprdc.errors import DataError


def read_npz(path: Path, where: str) -> pd.DataFrame:
    """Read all arrays of a file: `[N]` as a column, `[N, F]` of numbers as a column of vectors.

    Args:
        path: The file.
        where: The key that names it, for messages.

    Returns:
        As `read_parquet`.

    Raises:
        DataError: The file is broken, an array holds Python objects or has another shape, or arrays
            differ in length.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        _refuse(f"{path.name} is damaged, or holds Python objects", where)
    for name, values in arrays.items():
        is_vectors = values.ndim == 2 and values.dtype.kind in "fiu" and values.shape[1] > 0
        if not is_vectors and (values.ndim != 1 or values.dtype.kind not in "fiubU"):
            shape = " x ".join(map(str, values.shape)) or "no axes"
            _refuse(f"array {show_name(name)!r} is {values.dtype} of {shape}", where)
    lengths = {len(values) for values in arrays.values()}
    if len(lengths) > 1:
        given = f"{path.name} has arrays of {min(lengths):,} to {max(lengths):,} rows"
        raise DataError(where, given, "as many rows in each", "save the arrays of the same records")
    table = pa.table({name: _column(values) for name, values in arrays.items()})
    return as_columns(table, path.name, where)


def _column(values: NDArray[Any]) -> pa.Array:
    # Arrow casts no numbers of 16 bits.
    numbers = values.astype(np.float32) if values.dtype == np.float16 else values
    if values.ndim == 1:
        return pa.array(numbers)
    flat = pa.array(np.ascontiguousarray(numbers).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _refuse(given: str, where: str) -> NoReturn:
    raise DataError(
        where, given, "arrays of texts or numbers, one entry a record, and one of vectors",
        "save it again: np.savez(path, vector=vectors, gender=np.array(genders, dtype=str))",
    ) from None  # fmt: skip
