"""Paired comparison of two attackers on the same people: difference, bounds and exact test.

People on whom both are right or both are wrong carry no information on the difference; only those
on whom exactly one is right count. If neither attacker is better, each of these falls to either
side with chance 1/2, so that the test is exact, however strongly the two agree.

Source: McNemar, Psychometrika 12 (1947), exact by the binomial; Newcombe, "Improved confidence
intervals for the difference between binomial proportions based on paired data" (1998), method 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Second minus first, as shares of the same people.

    Args:
        people: Number of people.
        both, only_first, only_second: Number of people on whom these attackers were right.
        difference: In [-1, 1].
        low, high: One-sided bounds, each at its own confidence.
        p_value: Chance of at least as many `only_second` if the second were no better.
    """

    people: int
    both: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p_value: float


def paired_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], confidence: float = 0.95
) -> PairedDifference:
    """Compare two attackers on the same people.

    Args:
        first, second: Whether each was right about each person `[N]`, N >= 1.
        confidence: Of each one-sided bound, in (0.5, 1).

    Raises:
        ValueError: The arrays are not about the same people.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError("two attackers must decide on the same people, at least one")
    both = int(np.sum(first & second))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    low, high = _newcombe(both, only_second, only_first, len(first), confidence)
    return PairedDifference(
        people=len(first),
        both=both,
        only_first=only_first,
        only_second=only_second,
        difference=(only_second - only_first) / len(first),
        low=low,
        high=high,
        p_value=_mcnemar(only_second, only_first),
    )


def _mcnemar(more: int, fewer: int) -> float:
    """P(X >= more) of a fair coin thrown more + fewer times."""
    return float(stats.binom.sf(more - 1, more + fewer, 0.5)) if more + fewer else 1.0


def _newcombe(both: int, b: int, c: int, people: int, confidence: float) -> tuple[float, float]:
    """Bounds of (both + b) / people - (both + c) / people."""
    neither = people - both - b - c
    (p, low_p, high_p), (q, low_q, high_q) = (
        _wilson(both + only, people, confidence) for only in (b, c)
    )
    phi = _correlation(both, b, c, neither)
    down = _root(p - low_p, high_q - q, phi)
    up = _root(high_p - p, q - low_q, phi)
    return max(-1.0, p - q - down), min(1.0, p - q + up)


def _root(a: float, b: float, phi: float) -> float:
    return float(np.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b)))


def _wilson(successes: int, people: int, confidence: float) -> tuple[float, float, float]:
    """A proportion, and Wilson's one-sided bounds."""
    p, z = successes / people, float(stats.norm.ppf(confidence))
    middle, scale = p + z * z / (2 * people), 1 + z * z / people
    half = z * np.sqrt(p * (1 - p) / people + z * z / (4 * people * people))
    return p, float(max(0.0, (middle - half) / scale)), float(min(1.0, (middle + half) / scale))


def _correlation(both: int, b: int, c: int, neither: int) -> float:
    """Phi of the two-by-two table, corrected for continuity."""
    product = float(both + b) * (c + neither) * (both + c) * (b + neither)
    if product == 0:
        return 0.0
    cross = float(both * neither - b * c)
    if cross > 0:
        cross = max(cross - (both + b + c + neither) / 2, 0.0)
    return float(cross / np.sqrt(product))
