"""The trivial alternatives are fitted on other people than the attack that reads them."""

from __future__ import annotations

import numpy as np
import pytest

from tiprdc.audit.evaluation.alternatives import (
    People,
    _halves,
    _rates,
    score_alternative,
    score_release,
)
from tiprdc.models.linear_noise import fit_alternative

CLASSES = {"u": 2, "task": 2}
WIDTH = 120


def _people(count: int, seed: int) -> People:
    """Many columns for few people; the sum of all tells u, one column the task."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, WIDTH)).astype(np.float32)
    u = x.sum(1) / np.sqrt(WIDTH) + rng.standard_normal(count) > 0
    return People(
        x=x,
        z=(0.01 * rng.standard_normal((count, 4))).astype(np.float32),
        labels={"u": u.astype(np.int64), "task": (x[:, 30] > 0).astype(np.int64)},
    )


@pytest.fixture(scope="module")
def groups() -> list[People]:
    return [_people(count, seed) for seed, count in enumerate((300, 300, 300, 1000))]


def test_attack_on_the_people_of_an_erasure_learns_nothing_of_what_is_left(
    groups: list[People],
) -> None:
    """Why there are two groups: below a guess, such a score would pass for hiding."""
    owner, train, select, test = groups

    def attacked(fitted: People) -> float:
        linear = fit_alternative("leace", fitted.x, WIDTH, fitted.labels["u"], [2], 0)
        z = [linear.features(part.x) for part in (train, select, test)]
        return _rates(z[0], z[1], z[2], train, select, test, CLASSES, 0)[1]["u"]

    assert attacked(train) < 0.52 < 0.55 < attacked(owner)


def test_alternative_hides_as_the_release_does(groups: list[People]) -> None:
    owner, train, select, test = groups
    release = score_release(train, select, test, CLASSES, 0)
    score = score_alternative("leace", release, owner, train, select, test, ("u",), CLASSES, 0)
    assert 0.45 < score.rates["u"] < 0.55
    assert score.rates["task"] > 0.55


def test_halves_divide_people_not_records() -> None:
    person = np.array([f"p{i % 7}" for i in range(50)])
    first, second = _halves(person)
    assert not set(person[first]) & set(person[second])
    assert sorted([*first, *second]) == list(range(50))
