"""Placeholder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Attacker


def fit_stack(
    attackers: Sequence[Attacker], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
) -> Attacker:
    """P."""
    return attackers[0]
