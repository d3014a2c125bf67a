"""What the attacks by scikit-learn share: a search on an inner holdout and the fitted attacker."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from tiprdc.attacks.base import Attacker, class_shares, inner_holdout, log_loss

HOLDOUT = 0.2
"""Share of attacker-train on which configurations are compared."""


class Estimator(Protocol):
    """A classifier of scikit-learn."""

    classes_: NDArray[np.int64]

    def fit(self, z: Any, u: NDArray[np.int64]) -> Any:
        """Fit in place."""

    def predict_proba(self, z: Any) -> NDArray[np.float64]:
        """p(u | z) `[N, len(classes_)]`."""


class EstimatorAttacker(Attacker):
    """A fitted estimator behind what it wants to see of z."""

    def __init__(
        self,
        shares: NDArray[np.float64],
        prepare: Callable[[NDArray[Any]], Any],
        estimator: Estimator,
    ) -> None:
        super().__init__(shares)
        self.prepare, self.estimator = prepare, estimator

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`; a class without a training record gets 0."""
        full = np.zeros((len(z), len(self.shares)))
        full[:, self.estimator.classes_] = self.estimator.predict_proba(self.prepare(z))
        return full


def fit_estimator(
    candidates: Sequence[Callable[[], Estimator]],
    prepare: Callable[[NDArray[Any]], Any],
    z: NDArray[Any],
    u: NDArray[np.int64],
    classes: int,
    seed: int,
) -> EstimatorAttacker:
    """Choose among the candidates on an inner holdout, then fit the best on all of attacker-train.

    Args:
        candidates: Each makes an unfitted estimator; the first wins a tie.
        prepare: Fitted on attacker-train, z -> what the estimators see.
        z, u, classes, seed: As in `Attack.fit`.
    """
    shares, seen = class_shares(u, classes), prepare(z)
    best = 0
    if len(candidates) > 1:
        inside, outside = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
        tried = [_fitted(make(), seen[inside], u[inside]) for make in candidates]
        held = seen[outside]
        losses = [
            log_loss(EstimatorAttacker(shares, lambda x: x, e).probabilities(held), u[outside])
            for e in tried
        ]
        best = int(np.argmin(losses))
    return EstimatorAttacker(shares, prepare, _fitted(candidates[best](), seen, u))


def _fitted(estimator: Estimator, z: Any, u: NDArray[np.int64]) -> Estimator:
    with warnings.catch_warnings():
        # Stopped at its iteration limit it is still an attacker, judged by what it recognises.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(z, u)
    return estimator
