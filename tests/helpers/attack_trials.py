"""A trial of one attack on one attribute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.suite import AttackTrial, try_attack

Labelled = tuple[NDArray[Any], NDArray[np.int64]]


def try_one(
    name: str,
    train: Labelled,
    select: Labelled,
    classes: int = 2,
    *,
    seed: int = 0,
    budget: int = 1,
    x: NDArray[Any] | None = None,
) -> AttackTrial:
    """Fit one attack on representations and class numbers, and score it on others.

    Args:
        name: The attack.
        train, select: Representations `[N, ...]` and class numbers `[N]`.
        classes: K.
        seed, budget: As in `Attack.fit`.
        x: Records of attacker-train.
    """
    data = TrainingSet(z=train[0], labels={"u": train[1]}, classes={"u": classes}, x=x)
    return try_attack(name, data, ("u",), select[0], {"u": select[1]}, seed, budget)["u"]
