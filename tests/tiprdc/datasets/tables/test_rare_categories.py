"""Categories of a few people are not part of a release."""

from __future__ import annotations

import pandas as pd
import pytest

from tiprdc.datasets.schema import Column
from tiprdc.datasets.tables.rare_categories import drop_rare_categories
from tiprdc.errors import DataError


def column(*texts: str | None) -> tuple[Column, pd.Series[str]]:
    values = pd.Series(list(texts), dtype="str")
    return Column(name="job", categories=tuple(sorted(set(values.dropna())))), values


def people(*names: str) -> pd.Series[str]:
    return pd.Series(list(names), dtype="str")


def test_category_needs_three_people_not_three_records() -> None:
    job, values = column("a", "a", "a", "b", "b", "b", "b", None)
    kept = drop_rare_categories(job, values, people(*"xyzxxxyz"), "x")
    assert kept.categories == ("a",)


def test_numeric_column_stays() -> None:
    age = Column(name="age", mean=2.0)
    assert drop_rare_categories(age, people("1", "2"), people("x", "y"), "x") is age


def test_column_that_names_people_is_refused_without_a_name() -> None:
    job, values = column("Anna Smith", "Bob Jones", "Cleo Brown")
    with pytest.raises(DataError) as error:
        drop_rare_categories(job, values, people(*"xyz"), "prepare.manifest.x")
    assert "'job' has no category of 3 or more people" in str(error.value)
    assert "leave 'job' out of prepare.manifest.x" in str(error.value)
    assert "Anna" not in str(error.value)
