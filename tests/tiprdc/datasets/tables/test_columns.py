"""Table columns: numeric or categorical, and their encoding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables.columns import encode_column, fit_column
from tiprdc.errors import DataError


def texts(*values: str | None) -> pd.Series[str]:
    return pd.Series(list(values), dtype="str")


def test_column_of_numbers_has_mean_and_std() -> None:
    column = fit_column("age", texts("1", "3", None, "1e1"), "x", categorical=False)
    assert column == Column(name="age", mean=14 / 3, std=float(np.std([1, 3, 10])))


def test_constant_column_has_std_one() -> None:
    assert fit_column("age", texts("2", "2"), "x", categorical=False).std == 1.0


def test_numbers_may_have_a_decimal_comma() -> None:
    column = fit_column("age", texts("1,5", "2"), "x", categorical=False, decimal=",")
    assert column.mean == 1.75
    np.testing.assert_array_equal(
        encode_column(column, texts("2,25", "1.000"), ","), np.float32([2.25, 1.75])
    )


def test_categories_may_look_like_numbers() -> None:
    column = fit_column("town", texts("10", "9", None), "x", categorical=True)
    assert column.categories == ("10", "9")


def test_missing_number_becomes_the_mean() -> None:
    column = Column(name="age", mean=7.0, std=2.0)
    np.testing.assert_array_equal(
        encode_column(column, texts("1", None, "many", "inf")), np.float32([1, 7, 7, 7])
    )


def test_unknown_category_has_the_number_after_the_last() -> None:
    column = Column(name="size", categories=("a", "b"))
    encoded = encode_column(column, texts("b", "a", None, "c"))
    np.testing.assert_array_equal(encoded, np.float32([1, 0, 2, 2]))
    assert encoded.dtype == np.float32


def test_empty_column_is_refused() -> None:
    with pytest.raises(DataError, match="'age' is empty"):
        fit_column("age", texts(None, None), "prepare.manifest.x", categorical=False)


def test_too_many_categories_are_refused() -> None:
    values = texts(*(f"{n}" for n in range(1001)))
    with pytest.raises(DataError, match="'income' has 1,001 different texts"):
        fit_column("income", values, "prepare.manifest.x", categorical=True)
