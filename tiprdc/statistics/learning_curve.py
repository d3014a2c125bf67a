"""Placeholder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """P."""

    people: int
    value: float
    low: float
    high: float
    people_at_limit: int | None


def extrapolate(
    people: Sequence[int], correct: Sequence[NDArray[np.bool_]], target: int, *, prior: float,
    limit: float, confidence: float = 0.95, seed: int = 0,
) -> Extrapolation:  # fmt: skip
    """P."""
    v = float(correct[-1].mean())
    return Extrapolation(
        people=target, value=v, low=max(0, v - 0.04), high=min(1, v + 0.04), people_at_limit=None
    )
