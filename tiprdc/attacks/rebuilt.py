"""The private attribute, read off the rebuilt record instead of the features.

Nothing is in the reconstruction that is not in the features. But a decoder that learns what records
look like may bring the attribute into a form that attackers of records know how to read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.attack import Attacker
from tiprdc.attacks.measure import Measure, proportion
from tiprdc.attacks.suite import decisions, try_attack


def read_off(
    about: str,
    attacks: tuple[str, ...],
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    test: tuple[NDArray[Any], NDArray[np.int64]],
    classes: int,
    confidence: float,
    seed: int,
) -> Measure:
    """Balanced accuracy of the best of these attacks on rebuilt records.

    Args:
        about: The private attribute.
        attacks: Names of attacks on such records; the best on attacker-select is scored.
        train, select: Rebuilt records `[N, ...]` and class numbers `[N]`.
        test: The same, on a balanced sample of attacker-test.
        classes: K.
        confidence: Of each one-sided bound.
        seed: Of the attacks.

    Raises:
        RuntimeError: An attack failed.
    """
    best: tuple[float, str, Attacker] | None = None
    for name in attacks:
        trial = try_attack(name, train, select, classes, seed)
        if trial.attacker is None or trial.select is None:
            raise RuntimeError(f"{name} {trial.status}")
        if best is None or trial.select > best[0]:
            best = trial.select, name, trial.attacker
    assert best is not None
    right = decisions(best[2], test[0]) == test[1]
    return proportion(
        f"read off the rebuilt record by {best[1]}", right, confidence,
        baseline=1 / classes, about=about,
    )  # fmt: skip
