"""A figure of an attack other than attribute inference: value, interval and baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiprdc.statistics.binomial import interval

Family = Literal["worst_people", "linkability", "membership", "attacker_data"]
FAMILIES: tuple[Family, ...] = ("worst_people", "linkability", "membership", "attacker_data")
"""Families of measures, by their names in `audit.measures`."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure.

    Args:
        name: Name of the figure in reports.
        about: Private attribute, or empty.
        representation: What was attacked: released, unprotected or raw.
        value: The figure.
        low, high: One-sided confidence bounds; None where there are none.
        baseline: What is reached without the features; None where that has no meaning.
        people: Number of people that it was measured on.
    """

    name: str
    about: str = ""
    representation: str = "released"
    value: float
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    people: int


def proportion(
    name: str,
    correct: NDArray[np.bool_],
    confidence: float,
    *,
    baseline: float | None,
    about: str = "",
    representation: str = "released",
) -> Measure:
    """The share of true values among people `[N]`, N >= 1, with exact bounds."""
    share = interval(int(correct.sum()), len(correct), confidence)
    return Measure(
        name=name, about=about, representation=representation, value=share.value,
        low=share.low, high=share.high, baseline=baseline, people=len(correct),
    )  # fmt: skip
