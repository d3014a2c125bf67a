"""Leaks that are spread over many columns: each column, or product of two, shows next to nothing.

Attackers with few people hardly find them, and find more with every doubling of their people. Their
Bayes rate is known exactly, so that the end of each learning curve is known too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tiprdc.attacks.base import Kind
from tiprdc.errors import check_range
from tiprdc.selftest.base import balanced

WIDTH = 128
"""Columns of `thin` and `wide`."""
SPREAD_WIDTH = 512
"""Columns of `spread`."""
MAX_ACCURACY = 0.999
"""Highest Bayes rate of `spread`, so that the class means have a finite distance."""


def plant_thin(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is the sign of the sum of 64 products of two columns each, `[N, 128]`.

    Columns alone, and any 127 of them, carry no signal on average: negating one column of each
    pair negates the sum and leaves the distribution of standard normal columns as it is.
    """
    z = rng.standard_normal((len(signal), WIDTH), dtype=np.float32)
    wrong = read_thin(z) != signal
    z[wrong, ::2] *= -1
    return z


def read_thin(z: NDArray[Any]) -> NDArray[np.int64]:
    """Whether the sum of products is positive; negated columns give exactly its negative."""
    return np.asarray((z[:, ::2] * z[:, 1::2]).sum(1) > 0, dtype=np.int64)


def plant_wide(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise in as many columns as `thin` has."""
    return rng.standard_normal((len(signal), WIDTH), dtype=np.float32)


class Spread:
    """Two Gaussian classes whose means differ a little in each of 512 columns.

    With covariance I and means +-m, the Bayes rule is the sign of z m, and its rate Phi(|m|).
    One column reaches Phi(|m| / sqrt(512)). A discriminant that estimates m alone from n people
    reaches about Phi(|m| / sqrt(1 + 512 / (n |m|^2))): its curve rises over decades of people.

    Source: Fisher's discriminant; Raudys, "On dimensionality, sample size and classification error
    of nonparametric linear classification algorithms" (1997), for the rate after n people.
    """

    name = "spread"
    kind: Kind = "flat"
    about = "512 columns that each show next to nothing"

    def bayes(self, accuracy: float) -> float:
        """The Bayes rate: `accuracy` itself.

        Raises:
            ConfigError: It is not in [0.5, 0.999].
        """
        check_range("accuracy", accuracy, 0.5, MAX_ACCURACY)
        return accuracy

    def expected(self, accuracy: float, people: int) -> float:
        """About what a discriminant reaches that estimates the means from this many people."""
        length = stats.norm.ppf(self.bayes(accuracy))
        if length == 0:
            return 0.5
        return float(stats.norm.cdf(length / np.sqrt(1 + SPREAD_WIDTH / (people * length**2))))

    def draw(
        self, people: int, accuracy: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Features `[people, 512]` and u `[people]`.

        Raises:
            ConfigError: The accuracy is not in [0.5, 0.999].
        """
        length = stats.norm.ppf(self.bayes(accuracy))
        u = balanced(people, rng)
        z = rng.standard_normal((people, SPREAD_WIDTH), dtype=np.float32)
        shift = (length * _direction()).astype(np.float32)
        return z + np.where(u[:, None] == 1, shift, -shift), u

    def predict(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """Prediction of the best possible attacker `[N]`."""
        return np.asarray(z @ _direction() > 0, dtype=np.int64)


def _direction() -> NDArray[np.float64]:
    """A fixed direction of length 1 `[512]` to which every column contributes as much."""
    signs = np.random.default_rng(29).choice((-1.0, 1.0), SPREAD_WIDTH)
    return np.asarray(signs / np.sqrt(SPREAD_WIDTH))
