"""Encodes the values of one table column as the numbers that an extractor takes, without pandas.

`prepare` (with pandas) and devices (without) read numbers and encode columns with these functions,
so an extractor gets the same numbers in training and on a device.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISSING = ("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL")
"""Texts that mean a missing value in a file."""
_NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
MAX_NUMBER = float(np.finfo(np.float32).max)
"""The largest number that a record can hold."""


def parse_number(text: str, decimal: str = ".") -> float:
    """The number that a text is; NaN if it is none, or is beyond float32.

    Narrower than Python's float: no underscores, no digits of other scripts, no words.

    Args:
        text: A cell.
        decimal: What separates decimals, `.` or `,`. With a comma, a text with a point is no
            number: it may separate thousands.
    """
    if decimal == ",":
        text = text.replace(".", " ").replace(",", ".")
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if abs(number) <= MAX_NUMBER else math.nan


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a text is a number within float32."""
    return not math.isnan(parse_number(text, decimal))


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
