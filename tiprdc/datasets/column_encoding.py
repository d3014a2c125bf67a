"""Encodes the values of one table column as the numbers that an extractor takes, without pandas.

`prepare` (with pandas) and devices (without) parse texts differently, but both encode with these
two functions, so an extractor gets the same numbers in training and on a device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISSING = ("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL")
"""Texts that mean a missing value in a file."""


def encode_numbers(values: ArrayLike, mean: float) -> NDArray[np.float32]:
    """Encode a numeric column.

    Args:
        values: Numbers `[B]`, NaN or infinite where there is none.
        mean: The column's mean over extractor-train; it replaces what is not finite.

    Returns:
        `[B]` float32.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, mean).astype(np.float32)


def encode_categories(values: Iterable[object], categories: Sequence[str]) -> NDArray[np.float32]:
    """Encode a categorical column.

    Args:
        values: B texts; anything else (None, NaN) is a missing value.
        categories: The categories of extractor-train, in the order of their numbers.

    Returns:
        `[B]` float32: the category's number; `len(categories)` for a missing or unknown one.
    """
    numbers = {category: number for number, category in enumerate(categories)}
    other = len(categories)
    encoded = [numbers.get(value, other) if isinstance(value, str) else other for value in values]
    return np.array(encoded, dtype=np.float32)
