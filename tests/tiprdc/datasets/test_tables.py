"""Table columns: numeric or categorical, and their encoding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables import encode_column, fit_column
from tiprdc.errors import DataError


def texts(*values: str | None) -> pd.Series[str]:
    return pd.Series(list(values), dtype="str")


def test_column_of_numbers_has_mean_and_std() -> None:
    column = fit_column("age", texts("1", "3", None, "1e1"), "x")
    assert column == Column(name="age", mean=14 / 3, std=float(np.std([1, 3, 10])))


def test_constant_column_has_std_one() -> None:
    assert fit_column("age", texts("2", "2"), "x").std == 1.0


def test_column_with_a_word_is_categorical() -> None:
    assert fit_column("size", texts("10", "9", "big", None), "x").categories == ("10", "9", "big")


def test_column_with_infinity_is_categorical() -> None:
    assert fit_column("age", texts("1", "inf"), "x").categories == ("1", "inf")


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
        fit_column("age", texts(None, None), "prepare.manifest.x")


def test_free_text_is_refused_with_the_number_of_non_numbers() -> None:
    values = texts(*(f"{n}" for n in range(1000)), "n/a", "-")
    with pytest.raises(DataError) as error:
        fit_column("income", values, "prepare.manifest.x")
    message = str(error.value)
    assert "1,002 different texts, and 2 of its values are not numbers" in message
    assert "remove 'income' from the list" in message
