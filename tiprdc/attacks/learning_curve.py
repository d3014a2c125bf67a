"""Sizes of an attacker's learning curve: the same attack on growing parts of its people."""

from __future__ import annotations

MIN_PEOPLE = 400
"""Fewest records with which there is a curve: an eighth of them still teaches something."""


def curve_sizes(people: int) -> tuple[int, ...]:
    """An eighth, a quarter, half, and all of so many records."""
    return people // 8, people // 4, people // 2, people
