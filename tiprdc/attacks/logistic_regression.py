"""Logistic regression: what is linearly readable."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.scaling import WIDEST, standardise, whiten
from tiprdc.attacks.sklearn_attack import fit_estimator

STRENGTHS = (0.1, 0.003, 3.0, 0.02, 0.5)
"""Inverse L2 penalties in the order in which a budget admits them."""


class LogisticRegressionAttack(Attack):
    """Multinomial logistic regression, on whitened columns where they are not too many."""

    name = "logistic_regression"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        make = [partial(LogisticRegression, C=c, max_iter=200, tol=1e-3) for c in STRENGTHS]
        wide = z[0].size > WIDEST
        scaling = standardise(z) if wide else whiten(z, seed)
        return fit_estimator(make[:budget], scaling, z, u, classes, seed)
