"""Common base of the attacks by scikit-learn: model choice on a holdout, the fitted attacker."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from tiprdc.attacks.base import Attacker, class_frequencies, inner_holdout, log_loss

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
    """A fitted estimator and the preparation of its input."""

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        prepare: Callable[[NDArray[Any]], Any],
        estimator: Estimator,
    ) -> None:
        super().__init__(frequencies)
        self.prepare, self.estimator = prepare, estimator

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`; a class without a training record gets 0."""
        # z may be a sparse array, which has no length.
        full = np.zeros((z.shape[0], len(self.frequencies)))
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
    """Select a candidate on an inner holdout, then fit it on all of attacker-train.

    Args:
        candidates: Each builds an unfitted estimator; the first wins a tie.
        prepare: Fitted on attacker-train, z -> input of the estimators.
        z, u, classes, seed: As in `Attack.fit`.
    """
    frequencies, inputs = class_frequencies(u, classes), prepare(z)
    best = 0
    if len(candidates) > 1:
        inside, outside = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
        fitted = [_fitted(build(), inputs[inside], u[inside]) for build in candidates]
        holdout = inputs[outside]
        losses = [
            log_loss(
                EstimatorAttacker(frequencies, lambda x: x, one).probabilities(holdout), u[outside]
            )
            for one in fitted
        ]
        best = int(np.argmin(losses))
    return EstimatorAttacker(frequencies, prepare, _fitted(candidates[best](), inputs, u))


def _fitted(estimator: Estimator, z: Any, u: NDArray[np.int64]) -> Estimator:
    with warnings.catch_warnings():
        # An attacker that stopped at its iteration limit is still scored by its accuracy.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(z, u)
    return estimator
