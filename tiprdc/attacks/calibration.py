"""Calibration: from an attack's scores to probabilities, by people that it was not fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import class_frequencies, log_loss

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0)
"""By which logits are divided, whichever fits best. A network that knows its people by heart is too
sure, and yet reads more of others than an earlier pass that is not."""


class Calibration:
    """Multinomial logistic regression of the class on the scores (Platt scaling).

    Args:
        scores: Of people that the attack was not fitted on `[N, S]`.
        u: Class numbers `[N]`.
        classes: K.
    """

    def __init__(self, scores: NDArray[np.floating], u: NDArray[np.int64], classes: int) -> None:
        self.frequencies = class_frequencies(u, classes)
        self.regression = (
            LogisticRegression(C=1e3, max_iter=1000).fit(scores, u)
            if len(np.unique(u)) > 1
            else None
        )

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores `[N, S]` -> p(u | z) `[N, K]`; a class that no person had gets 0.

        If all people had one class, the class frequencies are the answer for everybody.
        """
        if self.regression is None:
            return np.tile(self.frequencies, (len(scores), 1))
        full = np.zeros((len(scores), len(self.frequencies)))
        full[:, self.regression.classes_] = self.regression.predict_proba(scores)
        return full


def fit_temperature(logits: NDArray[np.float64], u: NDArray[np.int64]) -> tuple[float, float]:
    """The one of `TEMPERATURES` with the smallest log loss, and that loss.

    Unlike `Calibration` it leaves the order of a person's classes as it is.

    Args:
        logits: Of people that the network was not fitted on `[N, K]`.
        u: Class numbers `[N]`.

    Source: Guo et al. 2017 (ICML).
    """
    losses = [log_loss(softmax(logits / t, axis=1), u) for t in TEMPERATURES]
    best = int(np.argmin(losses))
    return TEMPERATURES[best], losses[best]
