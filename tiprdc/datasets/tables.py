"""Table columns as numbers: what a column is, decided by extractor-train, and its encoding."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.schema import Column
from tiprdc.errors import DataError

MOST_CATEGORIES = 1000
"""More different texts than this in a column are free text or ids."""


def fit_column(name: str, values: pd.Series[str], where: str) -> Column:
    """Numeric if every value that is there is a number, else categorical.

    Args:
        name: The column's name in the source.
        values: Its texts in extractor-train `[N]`, missing where there is none.
        where: The key that asked for the column, for messages.

    Raises:
        DataError: The column is empty, or holds too many different texts.
    """
    present = values.dropna()
    if present.empty:
        raise DataError(where, f"{name!r} is empty", "columns with values", f"leave {name!r} out")
    numbers = _numbers(present)
    finite = numbers[np.isfinite(numbers)]
    if len(finite) == len(present):
        return Column(name=name, mean=float(finite.mean()), std=float(finite.std()) or 1.0)
    categories = tuple(sorted(set(present)))
    if len(categories) > MOST_CATEGORIES:
        raise DataError(
            where,
            f"{name!r} has {len(categories):,} different texts, and {len(present) - len(finite):,} "
            "of its values are not numbers",
            f"numbers, or at most {MOST_CATEGORIES:,} categories",
            f"fix the values, or leave {name!r} out",
        )
    return Column(name=name, categories=categories)


def encode_column(column: Column, values: pd.Series[str]) -> NDArray[np.float32]:
    """The numbers `[B]` of these values: missing means the mean, or the category other."""
    if column.categories:
        number = {category: n for n, category in enumerate(column.categories)}
        known = values.map(number).to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(known), len(column.categories), known).astype(np.float32)
    numbers = _numbers(values)
    return np.where(np.isfinite(numbers), numbers, column.mean).astype(np.float32)


def _numbers(values: pd.Series[str]) -> NDArray[np.float64]:
    """As numbers, NaN where a value is missing or is none."""
    parsed = pd.to_numeric(values, errors="coerce")
    return np.asarray(parsed.to_numpy(dtype=np.float64, na_value=np.nan))
