"""Fits and encodes table columns: numeric or categorical.

An encoded missing number is the column's mean; a missing or unknown category has its own number.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables.column_encoding import encode_categories, encode_numbers, parse_number
from tiprdc.datasets.tables.names import show_name
from tiprdc.errors import DataError

MAX_CATEGORIES = 1000
"""A column with more distinct texts holds free text or ids, not categories."""


def fit_column(
    name: str, values: pd.Series[str], where: str, *, categorical: bool, decimal: str = "."
) -> Column:
    """Describe a column.

    Args:
        name: The column's name in the source.
        values: Its texts in extractor-train `[N]`, missing where there is none.
        where: The key that names the column, for messages.
        categorical: Whether it has categories; if not, all its values are numbers.
        decimal: What separates the decimals of its numbers.

    Raises:
        DataError: The column is empty, or it has too many distinct texts.
    """
    present = values.dropna()
    if present.empty:
        raise DataError(
            where, f"column {show_name(name)!r} is empty in extractor-train",
            hint=f"leave it out of {where}",
        )  # fmt: skip
    if not categorical:
        numbers = parse_numbers(present, decimal)
        return Column(name=name, mean=float(numbers.mean()), std=float(numbers.std()) or 1.0)
    categories = tuple(sorted(set(present)))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            where, f"column {show_name(name)!r} has {len(categories):,} different texts",
            f"at most {MAX_CATEGORIES:,} categories",
            f"group them in another column, or leave it out of {where}",
        )  # fmt: skip
    return Column(name=name, categories=categories)


def encode_column(
    column: Column, values: pd.Series[str], decimal: str = "."
) -> NDArray[np.float32]:
    """Encode texts `[B]` as float32 `[B]`; a text that is not a number becomes the mean."""
    if column.categories:
        return encode_categories(values, column.categories)
    return encode_numbers(parse_numbers(values, decimal), column.mean)


def parse_numbers(values: pd.Series[str], decimal: str = ".") -> NDArray[np.float64]:
    """Numbers of these texts, NaN where a value is missing or not a number; numbers as they are."""
    if pd.api.types.is_numeric_dtype(values):
        return np.asarray(values, dtype=np.float64)
    codes, texts = pd.factorize(values)
    numbers = np.array([*(parse_number(str(text), decimal) for text in texts), np.nan])
    return numbers[codes]
