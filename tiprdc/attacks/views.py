"""Views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

VIEWS = 3


def views(x: NDArray[Any], seed: int) -> list[NDArray[Any]]:
    """Copies."""
    return [x[..., ::-1], np.roll(x, 1, axis=2), np.roll(x, 1, axis=3)]
