"""Encodes the columns of a table on a device exactly as `prepare` encoded them for training.

A missing number becomes the training data's mean; a missing or unknown category has its own
number. A text in a numeric column that is not a number is an error in the table, and is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.tables.column_encoding import (
    MISSING,
    encode_categories,
    encode_numbers,
    parse_number,
)
from tiprdc.datasets.tables.names import refuse_absent_column
from tiprdc.errors import DataError
from tiprdc.formats.manifest import InputColumn


def encode_columns(
    columns: Sequence[InputColumn], table: Mapping[str, Sequence[object]], decimal: str = "."
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Encode B rows of texts or numbers.

    Args:
        columns: Input columns of the release, in order.
        table: Column name -> B values; None, NaN or a text of `MISSING` is a missing value. Other
            columns are ignored.
        decimal: What separates the decimals of numbers that are texts.

    Returns:
        `[B, F]` float32; and row -> the first column in which it has no valid number. The encoded
        values of such a row are meaningless.

    Raises:
        DataError: A column is absent, or the columns differ in length.
    """
    _require_columns(columns, table)
    lengths = {len(table[column.name]) for column in columns}
    if len(lengths) > 1:
        raise DataError("table", "its columns are of different lengths")
    invalid: dict[int, str] = {}
    x = np.empty((lengths.pop() if lengths else 0, len(columns)), np.float32)
    for position, column in enumerate(columns):
        values = [None if is_missing(value) else value for value in table[column.name]]
        if column.categories:
            texts = (None if value is None else str(value) for value in values)
            x[:, position] = encode_categories(texts, column.categories)
            continue
        numbers = [_parse_number(value, decimal) for value in values]
        x[:, position] = encode_numbers(numbers, column.mean)
        for row, (value, number) in enumerate(zip(values, numbers, strict=True)):
            if value is not None and math.isnan(number):
                invalid.setdefault(row, column.name)
    return x, invalid


def _require_columns(columns: Sequence[InputColumn], table: Mapping[str, object]) -> None:
    for column in columns:
        refuse_absent_column(column.name, table, "the table", "table")


def is_missing(value: object) -> bool:
    """Whether a value of a table is None, NaN or a text of `MISSING`."""
    if isinstance(value, str):
        return value.strip() in MISSING
    return value is None or value != value  # only NaN differs from itself


def _parse_number(value: object, decimal: str) -> float:
    """A number within float32, or NaN."""
    return parse_number(str(value), decimal if isinstance(value, str) else ".")
