"""One figure of an attack other than attribute inference: its value, its interval, its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiprdc.statistics.binomial import interval

Family = Literal["worst_people", "linkability", "membership", "attacker_data"]
FAMILIES: tuple[Family, ...] = ("worst_people", "linkability", "membership", "attacker_data")
"""Kinds of measures, as in `audit.measures`."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure.

    Args:
        name: What it is, for people.
        about: Private attribute, or nothing.
        representation: On what: released, unprotected or raw.
        value: The figure.
        low, high: One-sided bounds; None where there are none.
        baseline: What somebody gets without the features; None where that says nothing.
        people: On how many people.
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
    right: NDArray[np.bool_],
    confidence: float,
    *,
    baseline: float | None,
    about: str = "",
    representation: str = "released",
) -> Measure:
    """A share of people `[N]` with exact bounds, N >= 1."""
    found = interval(int(right.sum()), len(right), confidence)
    return Measure(
        name=name, about=about, representation=representation, value=found.value,
        low=found.low, high=found.high, baseline=baseline, people=len(right),
    )  # fmt: skip
