"""The method that learning_curve.py is compared with: a - b n^-c by least squares, and a bootstrap.

Source: Hestness et al., "Deep learning scaling is predictable, empirically" (2017), for the curve.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiprdc.statistics.binomial import upper_bound

EXPONENTS = np.linspace(0.05, 1, 20)


def power_law_bounds(
    people: Sequence[int], patterns: Sequence[int], target: int, *, prior: float,
    confidence: float = 0.95, draws: int = 400, seed: int = 0,
) -> tuple[float, float]:  # fmt: skip
    """Lower and upper bound at `target`, each one-sided, by resampling the test people.

    Args:
        people: Numbers of people `[P]`.
        patterns: Test people by pattern of who was right `[2^P]`.
        target: Number of people to extrapolate to.
        prior: Balanced accuracy without features: no curve ends below it.
        confidence: Of each bound.
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    counts = np.asarray(patterns)
    total = int(counts.sum())
    right = np.arange(len(counts))[:, None] >> np.arange(len(people)) & 1
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, draws)
    ends = power_law_ends(people, drawn @ right / total, target)
    low, high = np.quantile(np.clip(ends, prior, 1), (1 - confidence, confidence))
    return float(low), max(float(high), upper_bound(int(counts @ right[:, -1]), total, confidence))


def power_law_ends(
    people: Sequence[int], accuracy: NDArray[np.float64], target: int
) -> NDArray[np.float64]:
    """Value at `target` of the best fit to each row of accuracies `[B, P]`, with b >= 0.

    Args:
        people: Numbers of people `[P]`.
        accuracy: Balanced accuracy at these, `[B, P]`.
        target: Number of people to extrapolate to.
    """
    relative = np.asarray(people) / people[-1]
    centred = accuracy - accuracy.mean(1, keepdims=True)
    ends, errors = [], []
    for exponent in EXPONENTS:
        power = -(relative**-exponent)
        step = power - power.mean()
        b = np.maximum(centred @ step / (step @ step), 0)
        errors.append(((centred - b[:, None] * step) ** 2).sum(1))
        ends.append(accuracy.mean(1) + b * (-((target / people[-1]) ** -exponent) - power.mean()))
    best = np.argmin(errors, axis=0)
    chosen: NDArray[np.float64] = np.asarray(ends)[best, np.arange(len(best))]
    return chosen
