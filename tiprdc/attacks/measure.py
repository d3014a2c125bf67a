"""A figure of an attack other than attribute inference: value, interval and baseline."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.binomial import interval

Family = Literal["worst_people", "linkability", "membership"]
FAMILIES: tuple[Family, ...] = ("worst_people", "linkability", "membership")
"""Families of measures, by their names in `audit.measures`."""


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
