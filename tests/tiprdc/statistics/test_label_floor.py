"""The label floor finds what labels reveal, and nothing where they are independent."""

from __future__ import annotations

import numpy as np
import pytest

from tiprdc.statistics.label_floor import decide_from_labels, recognised_from_labels
from tiprdc.statistics.scores import balanced_accuracy


def floor(y: dict[str, np.ndarray], u: np.ndarray, classes: int = 2) -> float:
    half = len(u) // 2
    train = {task: values[:half] for task, values in y.items()}
    test = {task: values[half:] for task, values in y.items()}
    return balanced_accuracy(decide_from_labels(train, u[:half], test, classes), u[half:], classes)


def test_floor_is_prior_for_independent_labels() -> None:
    rng = np.random.default_rng(0)
    y = {f"task{i}": rng.integers(3, size=8000) for i in range(5)}
    assert floor(y, rng.integers(2, size=8000)) == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_floor_finds_correlated_label_at_any_class_share(share: float) -> None:
    rng = np.random.default_rng(0)
    u = (rng.random(8000) < share).astype(np.int64)
    y = np.where(rng.random(8000) < 0.7, u, 1 - u)
    assert floor({"y": y, "noise": rng.integers(4, size=8000)}, u) == pytest.approx(0.7, abs=0.025)


def test_floor_finds_interaction_that_naive_bayes_misses() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 4000))
    assert floor({"a": a, "b": b}, a ^ b) > 0.98


def test_floor_accepts_label_value_missing_in_training() -> None:
    u = np.array([0, 1] * 50)
    decisions = decide_from_labels({"y": u}, u, {"y": np.array([2, 1])}, 2)
    assert decisions.tolist()[1] == 1


def test_recognised_counts_correct_decisions() -> None:
    u = np.array([0, 1] * 50)
    assert recognised_from_labels({"y": u}, u, {"y": u[:4]}, np.array([0, 1, 1, 1]), 2) == 3
