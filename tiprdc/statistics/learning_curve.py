"""Extrapolates an attacker's learning curve to more people, with bounds.

The curve is modelled on the scale on which attackers are additive, half the separation of the
classes in standard deviations, s = Phi^-1((1 + q) / 2), where q in [0, 1) is the share of the way
from prior to 1. With x = people / n, n the largest number of people that were fitted,

    s(x) = a ((1 + r) / (1 + r / x))^c + b sqrt(x),        a, b, r >= 0.

With c = 1/2 and b = 0 this is what linear discriminants reach among many features: s rises as the
square root of the people first and ends at a sqrt(1 + r). Smaller c are leaks spread over
directions of very unequal strength; such a curve is a - b n^-c over a wide range, and log-linear
for small c. A larger c is an attacker who learns its features. The term b is a second leak that
starts to show only after the last point: too small to be seen among test noise, but growing.

The bounds are quantiles of the posterior over (a, b, r, c) on a grid. The term b is a caution of
the upper bound: the lower bound takes b = 0, and half of the tail, since no curve of the family
falls, so that a flat one would lie below it too often. Weights of the grid are
`EXPONENTS`, `TURNS` and `LATE`, chosen on curves whose end is known, and checked on others
(benchmarks/auditor/curves.py). Two kinds of noise are in the likelihood: the same test people
decide at every point, so that errors are correlated (the paired covariance, in closed form what a
bootstrap over people estimates); and each fit saw a random draw of people, which moves s by at
most 1 / sqrt(people) for a linear attacker.

A least-squares fit of a - b n^-c with bootstrap bounds is narrower, but where curves rise its upper
bound holds too rarely: with four points its exponent is hardly determined (same benchmark). A leak
that grows faster than the square root of the people, after points at which it hardly shows, is
outside the family unless the points show how fast it grows; no upper bound covers it.

Source: Hestness et al., "Deep learning scaling is predictable, empirically" (2017); Dobriban and
Wager, "High-dimensional asymptotics of prediction" (2018), for the linear discriminant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from tiprdc.statistics.binomial import interval

EXPONENTS = {0.15: 0.3, 0.3: 0.3, 0.5: 0.3, 0.75: 0.1}
"""Weight of each exponent c."""
TURNS = {0.0: 0.1, **{float(r): 0.09 for r in np.geomspace(0.05, 200, 10)}}
"""Weight of each r: 0 for a flat curve; r n people are where the curve turns."""
LATE = {0.0: 0.4, 0.02: 0.2, 0.05: 0.2, 0.1: 0.15, 0.2: 0.05}
"""Weight of each b."""
NOTHING = 0.05
"""Weight of no leak at all: s(x) = 0."""
TRAINING_SCATTER = 0.5
"""Standard deviation of s from the draw of training people, in 1 / sqrt(people)."""
LEVELS = 50
"""Number of values of a."""
CAP = 1000
"""The limit is looked for up to this many times the largest number of people."""


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """What an attacker would reach with more people.

    Args:
        people: The attacker's people that it is about.
        value: Balanced accuracy with these: the posterior median, in [prior, 1]; at the largest
            number of people that were fitted the share of test people recognised.
        low, high: One-sided bounds, each at its own confidence; `high` is not below the upper bound
            at the largest number of people that were fitted.
        people_at_limit: People with whom the median reaches the limit; None if it does not with
            `CAP` times the largest number that was fitted.
    """

    people: int
    value: float
    low: float
    high: float
    people_at_limit: int | None


def extrapolate(
    people: Sequence[int],
    correct: Sequence[NDArray[np.bool_]],
    target: int,
    *,
    prior: float,
    limit: float,
    confidence: float = 0.95,
) -> Extrapolation:
    """Extrapolate an attacker's accuracy to `target` people.

    Args:
        people: Numbers of people that the attacker was fitted on, increasing, at least two.
        correct: For each of these, whether the attacker was right about each of the same test
            people `[N]`, N >= 2, with the same number of people of each class.
        target: Number of people; below `people[-1]` it counts as `people[-1]`.
        prior: Balanced accuracy without features, in (0, 1).
        limit: Balanced accuracy whose number of people is asked for, in (0, 1).
        confidence: Of each bound, in (0.5, 1).

    Returns:
        The same for test people in any other order: only the counts of people by pattern of who
        was right matter. No random numbers are drawn. With `people[-1]` as target, the exact
        binomial bounds there.

    Raises:
        ValueError: Numbers of people that do not increase, or decisions on different people.
    """
    curve = CurvePosterior(people, correct, prior=prior)
    last = np.asarray(correct[-1], bool)
    here = interval(int(last.sum()), len(last), confidence)
    low, value, high = here.low, here.value, here.high
    if target > people[-1]:
        (low,) = curve.quantiles(target, ((1 - confidence) / 2,), late=False)
        value, high = curve.quantiles(target, (0.5, confidence))
    low = min(low, value)
    return Extrapolation(
        people=max(target, people[-1]),
        value=value,
        low=low,
        high=max(high, here.high),
        people_at_limit=curve.people_at(limit),
    )


class CurvePosterior:
    """Weights of all curves of the family, given an attacker's decisions.

    Args:
        people, correct, prior: As in `extrapolate`.
    """

    _weight: NDArray[np.float64]

    def __init__(
        self, people: Sequence[int], correct: Sequence[NDArray[np.bool_]], *, prior: float
    ) -> None:
        right = _checked(people, correct)
        self.prior, self.largest = prior, people[-1]
        counts = np.asarray(people, np.float64)
        accuracy = right.mean(1)
        separation = _separation(accuracy, prior)
        slope = np.maximum(_slope(separation, prior), 1e-3)
        # Whole numbers add up exactly, so that the order of the people changes no bit.
        together = right @ right.T / right.shape[1] - np.outer(accuracy, accuracy)
        covariance = together / right.shape[1] + np.diag(
            1 / right.shape[1] ** 2 + (TRAINING_SCATTER * slope) ** 2 / counts
        )
        deviation = float(np.sqrt(covariance[-1, -1]) / slope[-1])
        self._set_grid(float(separation[-1]) + 5 * deviation)
        residual = _accuracy(self._curves(counts / self.largest), prior) - accuracy
        whitened = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), residual.T,
                                           lower=True)  # fmt: skip
        square = np.sum(whitened**2, axis=0)
        # Points that no curve of the family meets scatter more than the likelihood expects.
        square /= max(1.0, float(square.min()) / max(1, len(counts) - 2))
        weight = self._weight * np.exp(-(square - square.min()) / 2)
        self._weight = weight / weight.sum()

    def quantiles(
        self, target: int, shares: Sequence[float], *, late: bool = True
    ) -> tuple[float, ...]:
        """Balanced accuracies below which the curves of these shares of weight lie.

        Args:
            target: Number of people, >= 1.
            shares: In (0, 1).
            late: Whether curves with a late leak count; else those with b = 0 alone.
        """
        weight = self._weight if late else self._weight * (self._b == 0)
        ends = self._curves(np.array([target / self.largest]))[:, 0]
        order = np.argsort(ends)
        below = np.cumsum(weight[order]) / weight.sum()
        index = np.minimum(np.searchsorted(below, np.asarray(shares)), len(order) - 1)
        return tuple(float(v) for v in _accuracy(ends[order][index], self.prior))

    def people_at(self, limit: float) -> int | None:
        """People with whom the median reaches a limit; None above `CAP` times the largest."""
        low, high = 1, CAP * self.largest
        if self.quantiles(high, (0.5,))[0] < limit:
            return None
        # Each curve increases with people, hence the median as well.
        while high - low > max(1, low // 200):
            middle = int(np.sqrt(low * high)) if low < high // 2 else (low + high) // 2
            if self.quantiles(middle, (0.5,))[0] < limit:
                low = middle
            else:
                high = middle
        return high

    def _set_grid(self, most: float) -> None:
        """Parameters `[G]` of the curves, and their weight before any decision."""
        levels = np.linspace(0, most, LEVELS)
        parts = [np.fromiter(part, float) for part in (TURNS, EXPONENTS, LATE)]
        weights = [np.fromiter(part.values(), float) for part in (TURNS, EXPONENTS, LATE)]
        grid = np.meshgrid(levels, *parts, indexing="ij")
        even = np.full(LEVELS, 1 / LEVELS)
        weight = np.multiply.outer(
            np.multiply.outer(np.multiply.outer(even, weights[0]), weights[1]), weights[2]
        )
        self._a, self._r, self._c, self._b = (np.append(axis.ravel(), 0.0) for axis in grid)
        self._weight = np.append((1 - NOTHING) * weight.ravel() / weight.sum(), NOTHING)

    def _curves(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Separations `[G, len(x)]` at these multiples of the largest number of people."""
        r = self._r[:, None]
        early = self._a[:, None] * ((1 + r) / (1 + r / x)) ** self._c[:, None]
        curves: NDArray[np.float64] = early + self._b[:, None] * np.sqrt(x)
        return curves


def _separation(accuracy: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    share = (np.clip(accuracy, prior, 1) - prior) / (1 - prior)
    separation: NDArray[np.float64] = special.ndtri(np.minimum((1 + share) / 2, 1 - 1e-7))
    return separation


def _accuracy(separation: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    accuracy: NDArray[np.float64] = prior + (1 - prior) * (2 * special.ndtr(separation) - 1)
    return accuracy


def _slope(separation: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Derivative of the accuracy."""
    slope: NDArray[np.float64] = 2 * (1 - prior) * np.exp(-(separation**2) / 2) / np.sqrt(2 * np.pi)
    return slope


def _checked(people: Sequence[int], correct: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Decisions `[len(people), N]`, 1 where right."""
    if len(people) < 2 or len(people) != len(correct):
        raise ValueError(
            "a learning curve needs at least two numbers of people, each with decisions"
        )
    if people[0] < 1 or any(b <= a for a, b in pairwise(people)):
        raise ValueError("the numbers of people of a learning curve must increase from at least 1")
    if len({np.shape(part) for part in correct}) > 1 or np.ndim(correct[0]) != 1:
        raise ValueError("every attacker of a learning curve must decide on the same people")
    if len(correct[0]) < 2:
        raise ValueError("a learning curve needs at least two test people")
    return np.stack(correct).astype(np.float64)
