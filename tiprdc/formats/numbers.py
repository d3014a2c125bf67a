"""Rates and counts as text, the same in verdicts, reports, terminals and tables."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def percent(rate: float, digits: int = 1) -> str:
    """A rate in [0, 1] in percent: `0.5417` -> `54.2 %`."""
    return f"{100 * rate:.{digits}f} %"


def points(difference: float) -> str:
    """A difference of two rates in percentage points: `0.6`, with a true minus sign if negative."""
    return f"{100 * difference:.1f}".replace("-0.0", "0.0").replace("-", MINUS)


def count(number: int) -> str:
    """`1984` -> `1,984`."""
    return f"{number:,}"
