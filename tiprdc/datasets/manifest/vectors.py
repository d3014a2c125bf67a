"""Reads vectors as columns of a table: lists of numbers in Parquet, or .npy files by their path.

A vector of F numbers in a column NAME becomes the columns NAME[0] to NAME[F-1]: it is trained on,
released and read on devices as a table is.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tiprdc.datasets.tables import arrow_columns
from tiprdc.datasets.tables.column_encoding import MAX_NUMBER
from tiprdc.datasets.tables.names import list_names, show_name
from tiprdc.datasets.tables.parquet_columns import arrow_storage, is_text
from tiprdc.datasets.tables.vector_names import MOST_NUMBERS, element_names
from tiprdc.errors import DataError

SUFFIX = ".npy"


def expand_vectors(
    table: pd.DataFrame, inputs: list[str], root: Path, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Replace each input column of vectors by one column of float64 a number.

    Args:
        table: All columns; vectors as lists of Arrow, or as paths that end in .npy.
        inputs: Names of the input columns.
        root: The folder that paths are relative to.
        where: The key that names the inputs, for messages.

    Returns:
        The table, and the names of its input columns in order.

    Raises:
        DataError: A row has no vector, vectors differ in length, or a number is missing, infinite
            or beyond float32.
    """
    names: list[str] = []
    for name in inputs:
        values = table[name]
        if is_list_of_numbers(values):
            vectors = _from_lists(values, name, where)
        elif is_text(values) and are_vector_files(values.dropna()):
            vectors = _from_files(values, name, root, where)
        else:
            names.append(name)
            continue
        _check_numbers(vectors, name, where)
        columns = element_names(name, vectors.shape[1])
        frame = pd.DataFrame(vectors, columns=columns, index=table.index)
        table = pd.concat([table.drop(columns=[name, *table.columns.intersection(columns)]), frame],
                          axis=1)  # fmt: skip
        names += columns
    return table, names


def holds_vectors(values: pd.Series[Any]) -> bool:
    """Whether a column holds vectors, or paths of them."""
    if is_text(values):
        return are_vector_files(values.dropna())
    return is_list_of_numbers(values)


def is_list_of_numbers(values: pd.Series[Any]) -> bool:
    """Whether a column of Parquet holds lists of numbers."""
    if is_text(values):
        return False
    return arrow_columns.is_list_of_numbers(arrow_storage(values).type)


def are_vector_files(values: pd.Series[str]) -> bool:
    """Whether the values of a column of text are paths of .npy files."""
    return len(values) > 0 and bool(values.str.lower().str.endswith(SUFFIX).all())


def _from_lists(values: pd.Series[Any], name: str, where: str) -> NDArray[np.float64]:
    column = arrow_storage(values)
    if column.null_count:
        _refuse(name, f"has no vector in {column.null_count:,} of {len(column):,} rows", where)
    _check_lengths(set(pc.list_value_length(column).to_pylist()), name, where)
    flat = pc.cast(pc.list_flatten(column), pa.float64(), safe=False)
    numbers: NDArray[np.float64] = flat.to_numpy().reshape(len(column), -1)
    return numbers


def _from_files(values: pd.Series[str], name: str, root: Path, where: str) -> NDArray[np.float64]:
    vectors: list[NDArray[np.float64]] = []
    failures: dict[str, str] = {}
    for row, path in values.astype(object).items():
        vector, reason = _read_file(path, root)
        if vector is None:
            failures[str(row)] = reason
        else:
            vectors.append(vector)
    if failures:
        counts = Counter(failures.values())
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
        given = f"has {len(failures):,} files that cannot be read ({reasons})"
        _refuse(name, f"{given}: {list_names(failures, 5)}", where)
    _check_lengths({len(vector) for vector in vectors}, name, where)
    return np.stack(vectors)


def _read_file(path: object, root: Path) -> tuple[NDArray[np.float64] | None, str]:
    """The vector in a file, or why there is none."""
    if not isinstance(path, str):
        return None, "without a path"
    if not os.path.normpath(root / path).startswith(str(root) + os.sep):
        return None, "outside the root"
    try:
        vector = np.load(root / path, allow_pickle=False)
    except FileNotFoundError:
        return None, "that do not exist"
    except (OSError, ValueError, EOFError, SyntaxError):
        return None, "that are damaged or hold no numbers"
    if not isinstance(vector, np.ndarray) or (vector.ndim, vector.dtype.kind in "fiu") != (1, True):
        return None, "that are no vectors of numbers"
    return vector.astype(np.float64), ""


def _check_lengths(lengths: set[int], name: str, where: str) -> None:
    if len(lengths) > 1:
        span = f"{min(lengths):,} to {max(lengths):,} numbers"
        _refuse(name, f"has vectors of {len(lengths):,} different lengths, {span}", where)
    if not 1 <= max(lengths) <= MOST_NUMBERS:
        _refuse(name, f"has vectors of {max(lengths):,} numbers", where)


def _check_numbers(vectors: NDArray[np.float64], name: str, where: str) -> None:
    with np.errstate(invalid="ignore"):
        unfit = int((~(np.abs(vectors) <= MAX_NUMBER)).any(axis=1).sum())
    if unfit:
        given = f"has numbers that are missing, infinite or beyond float32 in {unfit:,} rows"
        _refuse(name, given, where)


def _refuse(name: str, given: str, where: str) -> NoReturn:
    raise DataError(
        where, f"column {show_name(name)!r} {given}",
        f"a vector of 1 to {MOST_NUMBERS:,} finite numbers in every row, all of one length",
        "correct or delete these rows",
    )  # fmt: skip
