"""Features from which LEACE has erased a linear leak, and what its sampling error leaves of it.

Two Gaussian classes whose means differ by d along one axis, with one covariance S: linear attackers
are the best there are, and reach Phi(d / 2). A guard fitted on people of its own erases the
direction that it estimates. Its map A leaves Gaussian classes: the Bayes rate is then exactly

    Phi(m / 2),  m^2 = (A delta)^T (A S A^T)^+ (A delta)

with delta the difference of the class means. It is 1/2 up to the guard's sampling error.

Source: Belrose et al. 2023 (LEACE), by `tiprdc.models.leace`; the rate is Fisher's discriminant.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from tiprdc.attacks.base import Kind
from tiprdc.errors import check_range
from tiprdc.models.leace import LeaceLayer
from tiprdc.selftest.base import balanced
from tiprdc.selftest.columns import WIDTH

FITTED_ON = 20_000
"""People on whom the guard is fitted, none of whom is drawn again."""
MOST = 0.999
"""Highest accuracy before erasure: the distance of the means is finite."""


@functools.cache
def _mixing() -> NDArray[np.float64]:
    """A fixed matrix `[D, D]` of condition below 30, so that columns are correlated."""
    return np.eye(WIDTH) + 0.3 * np.random.default_rng(5).normal(size=(WIDTH, WIDTH))


def _before(
    people: int, accuracy: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    u, z = balanced(people, rng), rng.normal(size=(people, WIDTH))
    z[:, 0] += 2 * stats.norm.ppf(accuracy) * (u - 0.5)
    return z @ _mixing(), u


@functools.cache
def _guard(accuracy: float) -> LeaceLayer:
    z, u = _before(FITTED_ON, accuracy, np.random.default_rng(17))
    guard = LeaceLayer(WIDTH).eval()
    guard.fit(torch.from_numpy(z), torch.from_numpy(np.eye(2)[u]))
    return guard


class Erased:
    """A linear leak of the stated accuracy, after LEACE."""

    name = "erased"
    kind: Kind = "flat"
    about = "a linear leak that LEACE has erased"

    def bayes(self, accuracy: float) -> float:
        """What is left of `accuracy` after erasure.

        Raises:
            ConfigError: It is not in [0.5, 0.999].
        """
        check_range("accuracy", accuracy, 0.5, MOST)
        guard = _guard(accuracy)
        erase = (guard.inward.double() @ guard.outward.double()).numpy()
        delta = 2 * stats.norm.ppf(accuracy) * _mixing()[0] @ erase
        spread = erase.T @ _mixing().T @ _mixing() @ erase
        distance = np.sqrt(delta @ np.linalg.pinv(spread, rcond=1e-9) @ delta)
        return float(stats.norm.cdf(distance / 2))

    def draw(
        self, people: int, accuracy: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Features `[people, 8]` and u `[people]`.

        Raises:
            ConfigError: The accuracy is not in [0.5, 0.999].
        """
        check_range("accuracy", accuracy, 0.5, MOST)
        z, u = _before(people, accuracy, rng)
        with torch.no_grad():
            return _guard(accuracy)(torch.from_numpy(z.astype(np.float32))).numpy(), u

    def decide(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """A guess: what is left is the guard's sampling error, and nobody knows its direction."""
        return np.zeros(len(z), dtype=np.int64)
