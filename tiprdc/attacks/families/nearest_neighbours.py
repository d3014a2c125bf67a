"""Nearest neighbours: finds clusters, and people with nearly the same features as others."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.sklearn_attack import fit_estimator
from tiprdc.attacks.scaling import whiten

NEIGHBOURS = (15, 40, 5, 100, 1)
"""Numbers of neighbours; a budget of n tries the first n."""


class NearestNeighboursAttack(Attack):
    """k nearest neighbours weighted by inverse distance, by exact search."""

    name = "nearest_neighbours"
    most_records = 16_000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        candidates = [
            partial(KNeighborsClassifier, min(k, len(u) // 4 + 1), weights="distance",
                    algorithm="brute")
            for k in NEIGHBOURS[:budget]
        ]  # fmt: skip
        return fit_estimator(candidates, whiten(z, seed), z, u, classes, seed)
