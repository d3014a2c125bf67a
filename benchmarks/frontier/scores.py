"""Balanced accuracy and the share kept of tasks, with bounds over people.

Records of one person are not independent, so that people are the units: each adds the sum of the
influence of their records, and the standard error is that of a sum over people (the delta method).
All tasks are scored on the same people, and so is the ceiling, so that errors that they share
cancel. Bounds are normal, one-sided, each with 95 %.

Source: Huber, "The behavior of maximum likelihood estimates under nonstandard conditions" (1967);
Liang and Zeger, Biometrika 73 (1986), for clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tiprdc.statistics.scores import kept_share

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """A figure and how much each person moves it.

    Args:
        value: The figure.
        influence: Of each person `[P]`; sums to 0.
    """

    value: float
    influence: NDArray[np.float64]

    @property
    def bounds(self) -> tuple[float, float]:
        """One-sided lower and upper bound, each at `CONFIDENCE`."""
        people = len(self.influence)
        variance = float(np.sum(self.influence**2)) * people / max(1, people - 1)
        half = float(stats.norm.ppf(CONFIDENCE)) * variance**0.5
        return self.value - half, self.value + half


def balanced(
    correct: NDArray[np.bool_], truth: NDArray[np.int64], classes: int, person: NDArray[np.intp]
) -> Rate:
    """Mean over the classes of the share of its records that was recognised.

    Args:
        correct: Whether each record was recognised `[N]`.
        truth: Class numbers `[N]`, each class at least once.
        classes: K.
        person: Number of each record's person `[N]`, 0 to P - 1.

    Raises:
        ValueError: There is no record of a class.
    """
    counts = np.bincount(truth, minlength=classes)
    if counts.min() == 0:
        raise ValueError("balanced accuracy needs a record of every class")
    rates = np.bincount(truth, weights=correct, minlength=classes) / counts
    each = (correct - rates[truth]) / (classes * counts[truth])
    influence = np.bincount(person, weights=each).astype(np.float64)
    return Rate(float(rates.mean()), influence)


def kept(
    values: Mapping[str, Rate], ceilings: Mapping[str, Rate], priors: Mapping[str, float]
) -> Rate:
    """Mean over tasks of (value - prior) / (ceiling - prior), 1 where nothing was lost.

    Args:
        values: Task -> balanced accuracy on features; at least one task.
        ceilings: The same on raw records, above the prior.
        priors: Task -> the best guess without features.
    """
    shares, influences = [], []
    for task, value in values.items():
        room = ceilings[task].value - priors[task]
        share = kept_share(value.value, ceilings[task].value, priors[task])
        shares.append(share)
        influences.append((value.influence - share * ceilings[task].influence) / room)
    return Rate(float(np.mean(shares)), np.mean(influences, axis=0))
