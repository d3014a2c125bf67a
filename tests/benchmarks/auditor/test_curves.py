"""Curves with known end: patterns keep the decisions, attackers are those of the formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.auditor import curves
from benchmarks.auditor.curve_sources import Part, ridge_curves, simulated, standardised

PEOPLE = (50, 100, 200, 400, 4000)


def test_patterns_keep_who_was_right_at_which_points() -> None:
    correct = np.random.default_rng(0).random((4, 300)) < 0.6
    counts = curves.pattern_counts(correct)
    again = np.stack(curves.decisions(counts))
    assert sum(counts) == 300
    assert len(counts) == 16
    assert curves.pattern_counts(again) == counts
    assert (again @ again.T == correct @ correct.T).all()


def test_simulated_curves_rise_to_the_best_attacker_or_stay_at_chance() -> None:
    for curve in simulated(0, PEOPLE, 400):
        best = float(curve.features.rsplit(" ", 1)[1])
        assert curve.accuracy.max() <= best + 0.006
        assert curve.correct.shape == (5, 400)
        if curve.kind == "simulated: nothing":
            assert curve.accuracy == pytest.approx(0.5)


def test_ridge_finds_a_linear_leak_and_none_in_noise() -> None:
    rng = np.random.default_rng(0)
    x = standardised(rng.normal(size=(4000, 5)).astype(np.float32), 100)
    labels = np.stack([x[:, 0] > 0, rng.random(4000) > 0.5], 1).astype(np.int64)
    parts = [Part(x=x[i : i + 1000], labels=labels[i : i + 1000]) for i in range(0, 4000, 1000)]
    (_, _, correct, leak), (_, _, _, noise) = ridge_curves(*parts, (50, 1000))
    assert leak[-1] > 0.95
    assert correct.mean(1)[-1] > 0.95
    assert noise == pytest.approx(0.5, abs=0.06)


def test_table_counts_the_curves_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "curves.csv"
    for curve, _ in zip(simulated(1, PEOPLE, 400), range(8), strict=False):
        curves.append(file, curves.COLUMNS, curves.row_of(curve))
    found = list(curves.cases(curves.read(file)))
    assert [case.found.people for case in found] == [4000] * 8
    lines = list(curves.table(found))
    counts = [int(line.split("|")[3]) for line in lines if line.startswith("| all: all")]
    assert sum(counts) == 8


def test_stored_curves_are_covered() -> None:
    """A sample of the curves that chose no constant, so that a change of the method shows."""
    rows = [row for row in curves.read(curves.CSV) if row["part"] == "check"][::10]
    found = list(curves.cases(rows))
    assert len(found) >= 50
    assert np.mean([c.truth <= c.found.high for c in found]) >= 0.95
    assert np.mean([c.found.low <= c.truth for c in found]) >= 0.9
    assert np.mean([c.found.high - c.found.low for c in found]) <= 0.1
