"""Gradient-boosted trees: find thresholds and interactions of few columns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.sklearn_attack import fit_estimator
from tiprdc.attacks.scaling import whiten

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"max_leaf_nodes": 15, "learning_rate": 0.1, "l2_regularization": 1.0},
    {"max_leaf_nodes": 31, "learning_rate": 0.05, "max_features": 0.3},
    {"max_leaf_nodes": 6, "learning_rate": 0.2, "max_features": 0.5},
)
"""Settings; a budget of n tries the first n."""


class GradientBoostingAttack(Attack):
    """Histogram gradient boosting, stopped early on its own holdout."""

    name = "gradient_boosting"
    random = True
    most_records = 16_000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        common = {"max_iter": 200, "max_bins": 127, "n_iter_no_change": 15, "random_state": seed}
        candidates = [
            partial(HistGradientBoostingClassifier, early_stopping=True, **common, **settings)
            for settings in CONFIGURATIONS[:budget]
        ]
        return fit_estimator(candidates, whiten(z, seed), z, u, classes, seed)
