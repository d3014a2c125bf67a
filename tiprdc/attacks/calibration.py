"""Calibration: from an attack's scores to probabilities, by logistic regression on other people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import class_frequencies


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
