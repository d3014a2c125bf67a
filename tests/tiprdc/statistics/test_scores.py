"""Balanced accuracy and leakage against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tiprdc.statistics.scores import balanced_accuracy, leakage_bits


def test_balanced_accuracy_is_mean_recall() -> None:
    truth, decisions = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert balanced_accuracy(decisions, truth, 2) == pytest.approx((3 / 4 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="every class"):
        balanced_accuracy(decisions, truth, 3)


def test_leakage_equals_planted_information() -> None:
    rng = np.random.default_rng(0)
    u = np.repeat([0, 1], 20_000)
    bit = np.where(rng.random(40_000) < 0.8, u, 1 - u)
    probabilities = np.where(bit[:, None] == np.arange(2), 0.8, 0.2)
    expected = 1 - stats.entropy([0.8, 0.2], base=2)
    assert leakage_bits(probabilities, u) == pytest.approx(expected, abs=0.02)
    assert leakage_bits(np.full((40_000, 2), 0.5), u) == 0
    assert leakage_bits(1 - probabilities, u) == 0


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_leakage_of_certain_correct_attacker_is_log2_classes(classes: int) -> None:
    u = np.arange(40 * classes) % classes
    assert leakage_bits(np.eye(classes)[u], u) == pytest.approx(np.log2(classes))
