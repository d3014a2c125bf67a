"""Fits and encodes table columns: numeric or categorical, as extractor-train decides.

An encoded missing number is the column's mean; a missing or unknown category has its own number.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.column_encoding import encode_categories, encode_numbers
from tiprdc.datasets.schema import Column
from tiprdc.errors import DataError

MAX_CATEGORIES = 1000
"""A column with more distinct texts holds free text or ids, not categories."""


def fit_column(name: str, values: pd.Series[str], where: str) -> Column:
    """Describe a column: numeric if all its values are numbers, else categorical.

    Args:
        name: The column's name in the source.
        values: Its texts in extractor-train `[N]`, missing where there is none.
        where: The key that names the column, for messages.

    Raises:
        DataError: The column is empty, or it has too many distinct texts.
    """
    present = values.dropna()
    if present.empty:
        raise DataError(where, f"column {name!r} is empty", hint=f"remove {name!r} from the list")
    numbers = _parse_numbers(present)
    finite = numbers[np.isfinite(numbers)]
    if len(finite) == len(present):
        return Column(name=name, mean=float(finite.mean()), std=float(finite.std()) or 1.0)
    categories = tuple(sorted(set(present)))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            where,
            f"column {name!r} has {len(categories):,} different texts, and "
            f"{len(present) - len(finite):,} of its values are not numbers",
            f"numbers, or at most {MAX_CATEGORIES:,} categories",
            f"correct the values, or remove {name!r} from the list",
        )
    return Column(name=name, categories=categories)


def encode_column(column: Column, values: pd.Series[str]) -> NDArray[np.float32]:
    """Encode texts `[B]` as float32 `[B]`; a text that is not a number becomes the mean."""
    if column.categories:
        return encode_categories(values, column.categories)
    return encode_numbers(_parse_numbers(values), column.mean)


def _parse_numbers(values: pd.Series[str]) -> NDArray[np.float64]:
    """Numbers of these texts, NaN where a value is missing or not a number."""
    parsed = pd.to_numeric(values, errors="coerce")
    return np.asarray(parsed.to_numpy(dtype=np.float64, na_value=np.nan))
