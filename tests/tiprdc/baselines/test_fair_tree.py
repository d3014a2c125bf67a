"""The fair tree: its criterion, its limits, and what a leaf tells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tiprdc.baselines.fair_tree import FairTree, fit_fair_tree


def planted() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Column 0 tells the task well and the private attribute too; column 1 tells the task alone."""
    rng = np.random.default_rng(0)
    y, u = rng.integers(0, 2, (2, 600))
    noise = rng.normal(size=(600, 3))
    x = np.stack([y + 0.8 * u, y, 0 * y], axis=1) + noise * (0.2, 0.5, 1)
    return x.astype(np.float32), y, u[:, None]


def gini(column: NDArray[np.int64]) -> float:
    return float(1 - np.square(np.bincount(column) / len(column)).sum())


def impurity(y: NDArray[np.int64], u: NDArray[np.int64], fairness: float) -> float:
    return (1 - fairness) * gini(y) + fairness * (0.5 - gini(u[:, 0]))


def leaves(tree: FairTree, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether a record `[N]` is in a leaf `[L]`: it agrees with all tests on the way."""
    signs = np.where(x[:, tree.features] <= tree.thresholds, 1, -1)
    agree = (signs[:, :, None] == tree.paths) | (tree.paths == 0)
    return np.asarray(agree.all(1))


@pytest.mark.parametrize("fairness", [0.0, 0.5, 0.85])
def test_first_split_is_the_best_of_all(fairness: float) -> None:
    x, y, u = planted()
    x, y, u = x[:60], y[:60], u[:60]
    tree = fit_fair_tree(x, y, u, fairness=fairness, leaves=2, min_records=5)

    def after(feature: int, threshold: float) -> float:
        left = x[:, feature] <= threshold
        if min(left.sum(), (~left).sum()) < 5:
            return np.inf
        return float(sum(p.mean() * impurity(y[p], u[p], fairness) for p in (left, ~left)))

    best = min(after(feature, value) for feature in range(3) for value in x[:, feature])
    assert after(int(tree.features[0]), float(tree.thresholds[0])) == pytest.approx(best)
    assert best < impurity(y, u, fairness)


def test_fairness_avoids_columns_that_tell_the_private_attribute() -> None:
    x, y, u = planted()
    told = {}
    for fairness in (0.0, 0.85):
        tree = fit_fair_tree(x, y, u, fairness=fairness, leaves=8, min_records=30)
        member = leaves(tree, x)
        for name, labels in (("y", y), ("u", u[:, 0])):
            counts = np.stack([member[labels == k].sum(0) for k in (0, 1)])
            told[fairness, name] = counts.max(0).sum() / len(x)
    assert told[0.0, "u"] > 0.7
    assert told[0.85, "u"] < 0.6
    assert told[0.85, "y"] > 0.75


def test_limits_hold_and_every_record_is_in_one_leaf() -> None:
    x, y, u = planted()
    tree = fit_fair_tree(x, y, u, fairness=0.0, leaves=7, min_records=40)
    member = leaves(tree, x)
    assert member.shape == (600, 7)
    assert (member.sum(1) == 1).all()
    assert member.sum(0).min() >= 40


def test_tree_without_a_useful_split_has_one_leaf() -> None:
    x, y, u = planted()
    tree = fit_fair_tree(x, y, u, fairness=1.0, leaves=7, min_records=40)
    assert leaves(tree, x).shape == (600, 1)
