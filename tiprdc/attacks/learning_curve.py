"""Sizes."""

from __future__ import annotations

MIN_PEOPLE = 400


def curve_sizes(people: int) -> tuple[int, ...]:
    """An eighth, a quarter, half and all."""
    return (people // 8, people // 4, people // 2, people)
