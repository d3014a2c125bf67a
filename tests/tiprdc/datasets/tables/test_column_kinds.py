"""Columns that are plainly numbers or categories, and those that are asked about."""

from __future__ import annotations

import pandas as pd
import pytest

from tiprdc.datasets.tables.column_kinds import count_kinds, is_categorical
from tiprdc.errors import DataError

KEYS = ("prepare.manifest.decimal", "prepare.manifest.categorical")


def texts(*values: str | None) -> pd.Series[str]:
    return pd.Series(list(values), dtype="str")


def refusal(*values: str, decimal: str = ".") -> str:
    with pytest.raises(DataError) as error:
        is_categorical("age", texts(*values), "prepare.manifest.x", decimal, KEYS)
    return str(error.value)


@pytest.mark.parametrize("values", [("1", "2.5", None, "1e3"), ("-4", " 7 "), (".5", "3.")])
def test_numbers_are_numeric(values: tuple[str | None, ...]) -> None:
    assert not is_categorical("age", texts(*values), "x")


@pytest.mark.parametrize("values", [("a", "b", None), ("18-25", "26-35", "65+"), ("10th", "Some")])
def test_recurring_words_are_categories(values: tuple[str | None, ...]) -> None:
    assert is_categorical("age", texts(*(values * 10)), "x")


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        ("90+", "1 numbers with other characters"),
        ("inf", "1 infinite numbers"),
        ("unknown", "1 words"),
        ("1,234,567", "1 numbers with thousands separators"),
        ("2020-01-31", "1 dates"),
        ("1 2 3 4", "1 lists of numbers"),
        ("1_000", "1 numbers with other characters"),
    ],
)
def test_one_odd_value_among_numbers_is_asked_about(odd: str, kind: str) -> None:
    message = refusal(*map(str, range(30)), odd)
    assert f"30 numbers and {kind}" in message
    assert "write NA for a number that is missing" in message
    assert "name 'age' in prepare.manifest.categorical" in message
    assert repr(odd) not in message
    assert f" {odd} " not in message


def test_decimal_commas_are_refused_with_the_setting_that_reads_them() -> None:
    values = [f"{n},5" for n in range(30)]
    assert 'set prepare.manifest.decimal to ","' in refusal(*values)
    assert not is_categorical("age", texts(*values), "x", ",")


def test_points_under_a_decimal_comma_are_not_read_as_decimals() -> None:
    assert "not plainly one thing" in refusal("1,5", "1.500", decimal=",")


def test_thousands_are_not_taken_for_decimals() -> None:
    assert "decimal to" not in refusal("1,500", "2,000")


def test_a_value_of_its_own_for_each_record_is_no_category() -> None:
    names = [f"somebody {n} of here" for n in range(40)]
    message = refusal(*names)
    assert "40 different texts in 40 records" in message
    assert "somebody" not in message


def test_measures_with_units_are_asked_about() -> None:
    assert "numbers with other characters" in refusal(*(f"{n % 30} kg" for n in range(90)))


def test_long_text_is_classified_quickly() -> None:
    assert count_kinds(texts("1" * 100_000 + "x", " 1" * 50_000)) == {
        "words": 1, "lists of numbers": 1,
    }  # fmt: skip
