"""A table's columns as the numbers that an extractor takes: the rule that `prepare` trained by.

A missing number is the training data's mean, a missing or unknown category the last number. What
stands where a number belongs and is none is a mistake of the table, and is refused. (The same rule
with pandas: tiprdc/datasets/tables.py.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import DataError, suggestion
from tiprdc.formats.manifest import InputColumn

MISSING = frozenset(("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL"))
"""Texts of a table's file that say that there is nothing."""

_LARGEST = float(np.finfo(np.float32).max)


def encode_columns(
    columns: Sequence[InputColumn], table: Mapping[str, Sequence[object]]
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Columns of texts or numbers -> `[B, F]` float32, and row -> the column that is no number.

    Args:
        columns: Of the contract, in order.
        table: Column name -> B values; None, NaN or a text of `MISSING` is a missing one. Columns
            beyond the contract's are not looked at.

    Raises:
        DataError: A column is not there, or columns differ in length.
    """
    require_columns(columns, table)
    lengths = {len(table[column.name]) for column in columns}
    if len(lengths) > 1:
        raise DataError("table", "columns of different lengths", "a value of each for every record")
    bad: dict[int, str] = {}
    x = np.empty((lengths.pop() if lengths else 0, len(columns)), np.float32)
    for place, column in enumerate(columns):
        encode = _category(column) if column.categories else _number(column)
        for row, value in enumerate(table[column.name]):
            number = encode(None if _missing(value) else value)
            if number is None:
                bad.setdefault(row, column.name)
            x[row, place] = 0.0 if number is None else number
    return x, bad


def require_columns(columns: Sequence[InputColumn], given: Mapping[str, object]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: With the columns that there are, and the nearest of them.
    """
    for column in columns:
        if column.name not in given:
            raise DataError(
                "table", f"no column {column.name!r}", f"one of {', '.join(list(given)[:30])}",
                suggestion(column.name, given),
            )  # fmt: skip


def _missing(value: object) -> bool:
    if isinstance(value, str):
        return value.strip() in MISSING
    return value is None or value != value  # NaN alone differs from itself


def _category(column: InputColumn) -> Callable[[object], float]:
    numbers = {category: float(number) for number, category in enumerate(column.categories)}
    return lambda value: numbers.get(str(value), float(len(numbers)))


def _number(column: InputColumn) -> Callable[[object], float | None]:
    def encode(value: object) -> float | None:
        if value is None:
            return column.mean
        try:
            # Python also reads 1_000, which is no number in a table.
            number = math.nan if "_" in str(value) else float(str(value))
        except ValueError:
            return None
        return number if abs(number) <= _LARGEST else None

    return encode
