"""The certificate: hand-computed values, published figures, and coverage by simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tiprdc.statistics import certificate
from tiprdc.statistics.certificate import (
    CodeBound,
    cell_counts,
    cells,
    code_bound,
    has_more_cells_than_people,
)

DELTA = 0.05


def test_two_classes_by_hand() -> None:
    """(8/10 + 4/5) / 2 in sample; sqrt((1/10 + 1/5) ln 20 / 2) / 2 of slack."""
    found = code_bound([[8, 2, 0], [1, 4, 0]], DELTA)
    assert found == CodeBound(
        cells=2, people=15, in_sample=pytest.approx(0.8), slack=pytest.approx(0.33517, abs=1e-5),
        bound=1.0,
    )  # fmt: skip
    wide = code_bound([[800, 200], [100, 400]], DELTA)
    assert wide.slack == pytest.approx(found.slack / 10)
    assert wide.bound == pytest.approx(0.8 + 0.033517, abs=1e-5)


def test_three_classes_by_hand() -> None:
    """The largest shares of the cells are 1/2, 3/4 and 1, each over 3."""
    found = code_bound([[50, 50, 0], [25, 75, 0], [0, 0, 100]], DELTA)
    assert found.in_sample == pytest.approx((0.5 + 0.75 + 1) / 3)
    assert found.slack == pytest.approx(np.sqrt(0.03 * np.log(20) / 2) / 3)


@pytest.mark.parametrize("people", [100, 2_000, 20_000])
def test_slack_of_two_even_classes(people: int) -> None:
    counts = [[people // 2], [people // 2]]
    assert code_bound(counts, DELTA).slack == pytest.approx(1.224 / people**0.5, rel=1e-3)


@pytest.mark.parametrize(("count", "bound"), [(64, 0.532), (256, 0.553), (1024, 0.599)])
def test_code_of_20000_people_that_leaks_nothing(count: int, bound: float) -> None:
    rng = np.random.default_rng(count)
    bounds = [
        code_bound(rng.multinomial(10_000, np.full(count, 1 / count), size=2), DELTA).bound
        for _ in range(20)
    ]
    assert np.mean(bounds) == pytest.approx(bound, abs=0.002)


def chances(kind: str, classes: int, count: int) -> np.ndarray:
    """Chance of each cell by class `[C, K]`."""
    even = np.full((classes, count), 1 / count)
    if kind == "nothing":
        return even
    if kind == "few cells":
        # Five percent of the people of each class are in a cell of their own.
        even *= 0.95
        even[np.arange(classes), np.arange(classes)] += 0.05
        return even
    return np.random.default_rng(1).dirichlet(np.ones(count), size=classes)


@pytest.mark.parametrize("kind", ["nothing", "few cells", "everywhere"])
@pytest.mark.parametrize(
    ("people", "count"),
    [((400, 400), 4), ((60, 1500), 4), ((1000, 500), 64), ((90, 300, 600), 8), ((40, 40), 3)],
)
def test_best_attacker_exceeds_bound_in_at_most_5_percent(
    kind: str, people: Sequence[int], count: int
) -> None:
    p = chances(kind, len(people), count)
    best = float(p.max(0).mean() * count / len(people))
    rng = np.random.default_rng(len(kind))
    audits = np.stack(
        [rng.multinomial(n, row, size=2000) for n, row in zip(people, p, strict=True)]
    )
    misses = sum(code_bound(counts, DELTA).bound < best for counts in audits.swapaxes(0, 1))
    assert misses <= 0.05 * 2000


@pytest.mark.parametrize("people", [(300, 300), (50, 2000), (90, 300, 600)])
def test_coverage_needs_the_slack(people: Sequence[int]) -> None:
    """Without it the best attacker exceeds the in-sample accuracy in many audits."""
    p = np.full((len(people), 2), 0.5)
    p[0] = 0.9, 0.1
    best = float(p.max(0).sum() / len(people))
    rng = np.random.default_rng(0)
    audits = np.stack(
        [rng.multinomial(n, row, size=2000) for n, row in zip(people, p, strict=True)]
    )
    found = [code_bound(counts, DELTA) for counts in audits.swapaxes(0, 1)]
    without = np.mean([one.in_sample < best for one in found])
    half = np.mean([one.in_sample + 0.3 * one.slack < best for one in found])
    assert np.mean([one.bound < best for one in found]) <= 0.05 < half < without


def test_bound_rises_with_confidence_and_never_exceeds_1() -> None:
    counts = [[500, 500], [480, 520]]
    bounds = [code_bound(counts, delta).bound for delta in (0.5, 0.05, 0.05 / 3, 1e-9)]
    assert bounds == sorted(bounds)
    assert code_bound([[1, 0], [0, 1]], DELTA).bound == 1


def test_cells_without_people_and_order_change_nothing() -> None:
    a, b = code_bound([[30, 20], [10, 40]], DELTA), code_bound([[0, 20, 30], [0, 40, 10]], DELTA)
    assert a == b


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[3, 4]], "at least two classes"),
        ([], "at least two classes"),
        ([[3, 4], [5]], "same number of cells"),
        ([[3, -1], [2, 5]], "fewer than 0"),
        ([[3, 4], [0, 0]], "at least one person"),
        ([[], []], "whole numbers"),
        ([[3.5, 4], [1, 2]], "whole numbers"),
        ([[True, False], [True, True]], "whole numbers"),
        (np.zeros((2, 2, 2), np.int64), "whole numbers"),
    ],
)
def test_counts_that_are_no_table_are_refused(counts: list[list[int]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        code_bound(counts, DELTA)


@pytest.mark.parametrize("delta", [0, 1, -0.1, float("nan")])
def test_delta_must_be_a_probability(delta: float) -> None:
    with pytest.raises(ValueError, match="delta"):
        code_bound([[1, 2], [2, 1]], delta)


def test_code_with_more_cells_than_people_is_recognised_and_says_nothing() -> None:
    identity = np.eye(20, dtype=np.int64)
    counts = np.stack([identity[:10].sum(0), identity[10:].sum(0)])
    assert not has_more_cells_than_people(counts)
    assert has_more_cells_than_people(np.pad(counts, ((0, 0), (0, 1))))
    assert code_bound(counts, DELTA).bound == 1


def test_constant_code_is_recognised() -> None:
    found = code_bound([[0, 90], [0, 80]], DELTA)
    assert (found.is_constant, found.in_sample) == (True, 0.5)
    assert not code_bound([[1, 90], [0, 80]], DELTA).is_constant


def test_cells_number_the_distinct_rows() -> None:
    z = np.array([[1.5, 2], [0, 0], [1.5, 2], [0, 2], [0, 0], [0, 0]], np.float32)
    found = cells(z)
    assert found is not None
    assert found.tolist() == [0, 1, 0, 2, 1, 1]
    assert cell_counts(found, np.array([0, 0, 1, 1, 1, 0]), 2).tolist() == [[1, 2, 0], [1, 1, 1]]


def test_cells_differ_by_the_last_bit_only() -> None:
    z = np.zeros((10, 3), np.float32)
    z[4:, 2] = np.nextafter(np.float32(0), np.float32(1))
    found = cells(z)
    assert found is not None
    assert found.tolist() == [0] * 4 + [1] * 6


def test_continuous_features_are_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    z = np.random.default_rng(0).normal(size=(100, 2))
    assert cells(z) is None
    twice = np.tile(z, (3, 1))
    assert cells(twice) is not None
    monkeypatch.setattr(certificate, "MAX_CELLS", 99)
    assert cells(twice) is None


def test_cells_take_any_view_of_features() -> None:
    z = np.arange(12).reshape(4, 3) % 2
    assert cells(z[:, ::2]) is not None
    constant = cells(np.zeros((5, 4)))
    assert constant is not None
    assert set(constant) == {0}
