"""A chart's axis: positions as SVG lengths, and round tick values."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MOST_STEPS = 6
_ROUND = (1, 2, 5, 10)


@dataclass(frozen=True)
class Axis:
    """Positions between `low` and `high`.

    Args:
        low, high: Ends of the axis, low < high.
        upright: Whether it is vertical with larger values further up; SVG counts from the top.
    """

    low: float
    high: float
    upright: bool = False

    def at(self, value: float) -> str:
        """Position of a value as an SVG length."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * (1 - share if self.upright else share):.2f}%"

    def span(self, low: float, high: float) -> str:
        """Length of the stretch between two values as an SVG length."""
        return f"{100 * (high - low) / (self.high - self.low):.2f}%"

    @property
    def ticks(self) -> list[float]:
        """Multiples of 1, 2 or 5 times a power of ten: the smallest that needs at most 6 steps."""
        least = (self.high - self.low) / _MOST_STEPS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(n * power for n in _ROUND if n * power >= least * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(n * step, 9) for n in range(first, last + 1)]
