"""Fixture whose linear leak LEACE has erased, with the exact rate that sampling error leaves.

Two Gaussian classes have means that differ by d along one axis and one covariance S: linear
attackers are optimal and reach Phi(d / 2). A LEACE layer fitted on separate people erases the
direction that it estimates. Its map A keeps the classes Gaussian, so the Bayes rate is exactly

    Phi(m / 2),  m^2 = (A delta)^T (A S A^T)^+ (A delta)

with delta the difference of the class means. It is 1/2 up to the layer's sampling error.

Source: Belrose et al. 2023 (LEACE), by `tiprdc.models.layers.leace`; the rate is that of Fisher's
discriminant.
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
from tiprdc.models.layers.leace import LeaceLayer
from tiprdc.selftest.base import balanced
from tiprdc.selftest.columns import WIDTH

FITTED_ON = 20_000
"""People that the layer is fitted on; none of them is drawn again."""
MAX_ACCURACY = 0.999
"""Highest accuracy before erasure, so that the means have a finite distance."""


@functools.cache
def _mixing() -> NDArray[np.float64]:
    """A fixed matrix `[D, D]` of condition below 30, so that columns are correlated."""
    return np.eye(WIDTH) + 0.3 * np.random.default_rng(5).normal(size=(WIDTH, WIDTH))


def _draw_unerased(
    people: int, accuracy: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    u, z = balanced(people, rng), rng.normal(size=(people, WIDTH))
    z[:, 0] += 2 * stats.norm.ppf(accuracy) * (u - 0.5)
    return z @ _mixing(), u


@functools.cache
def _leace_layer(accuracy: float) -> LeaceLayer:
    z, u = _draw_unerased(FITTED_ON, accuracy, np.random.default_rng(17))
    layer = LeaceLayer(WIDTH).eval()
    layer.fit(torch.from_numpy(z), torch.from_numpy(np.eye(2)[u]))
    return layer


class Erased:
    """A linear leak of the stated accuracy, after LEACE."""

    name = "erased"
    kind: Kind = "flat"
    about = "a linear leak that LEACE has erased"

    def bayes(self, accuracy: float) -> float:
        """The exact Bayes rate after erasure of a leak of this accuracy.

        Raises:
            ConfigError: It is not in [0.5, 0.999].
        """
        check_range("accuracy", accuracy, 0.5, MAX_ACCURACY)
        layer = _leace_layer(accuracy)
        erase = (layer.inward.double() @ layer.outward.double()).numpy()
        delta = 2 * stats.norm.ppf(accuracy) * _mixing()[0] @ erase
        covariance = erase.T @ _mixing().T @ _mixing() @ erase
        distance = np.sqrt(delta @ np.linalg.pinv(covariance, rcond=1e-9) @ delta)
        return float(stats.norm.cdf(distance / 2))

    def draw(
        self, people: int, accuracy: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Features `[people, 8]` and u `[people]`.

        Raises:
            ConfigError: The accuracy is not in [0.5, 0.999].
        """
        check_range("accuracy", accuracy, 0.5, MAX_ACCURACY)
        z, u = _draw_unerased(people, accuracy, rng)
        with torch.no_grad():
            return _leace_layer(accuracy)(torch.from_numpy(z.astype(np.float32))).numpy(), u

    def predict(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """Always 0: the direction of the layer's sampling error is unknown."""
        return np.zeros(len(z), dtype=np.int64)
