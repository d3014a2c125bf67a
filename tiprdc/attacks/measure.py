"""One figure of an attack other than attribute inference: its value, its interval, its baseline."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.binomial import interval

Family = Literal["worst_people", "linkability", "membership", "attacker_data"]
FAMILIES: tuple[Family, ...] = ("worst_people", "linkability", "membership", "attacker_data")
"""Kinds of measures, as in `audit.measures`."""


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
