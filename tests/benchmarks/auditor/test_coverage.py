"""Simulated audits of codes: chances, class sizes, and the counts of one row."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.auditor import coverage


@pytest.mark.parametrize("leak", coverage.LEAKS)
def test_chances_are_distributions_and_differ_only_with_a_leak(leak: str) -> None:
    chances = coverage.cell_chances(leak, 3, 8, np.random.default_rng(0))
    assert chances.shape == (3, 8)
    assert chances.sum(1) == pytest.approx(1)
    assert bool((chances[0] == chances[1]).all()) == (leak == "none")


def test_uneven_classes_keep_the_number_of_people() -> None:
    assert coverage.people_of_classes("uneven classes", 2, 400).tolist() == [100, 300]
    assert coverage.people_of_classes("none", 5, 400).tolist() == [80] * 5


def test_row_holds_at_least_as_often_as_stated() -> None:
    row = coverage.simulate("strong", 2, 4, 400, 40)
    assert int(str(row["held"])) >= 36
    assert float(str(row["bound"])) > float(str(row["in_sample"])) > 0.5


def test_table_adds_up_settings() -> None:
    rows = [
        {name: str(value) for name, value in coverage.simulate(leak, 2, 2, 400, 10).items()}
        for leak in ("none", "weak")
    ]
    *_, of_setting, total = coverage.table(rows)
    assert of_setting.startswith("| 2 | 2 | 400 | 20 |")
    assert total.startswith("| all | all | all | 20 |")
