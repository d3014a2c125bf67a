"""Logistic regression: finds what is linear in the columns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.sklearn_attack import fit_estimator
from tiprdc.attacks.scaling import MAX_FULL_RANK, standardise, whiten

STRENGTHS = (0.1, 0.003, 3.0, 0.02, 0.5)
"""Inverse L2 penalties; a budget of n tries the first n."""


class LogisticRegressionAttack(Attack):
    """Multinomial logistic regression, on whitened columns unless there are too many."""

    name = "logistic_regression"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        candidates = [partial(LogisticRegression, C=c, max_iter=200, tol=1e-3) for c in STRENGTHS]
        wide = z[0].size > MAX_FULL_RANK
        scaling = standardise(z) if wide else whiten(z, seed)
        return fit_estimator(candidates[:budget], scaling, z, u, classes, seed)
