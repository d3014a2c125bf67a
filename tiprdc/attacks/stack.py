"""Stack of attacks: logistic regression on what all fitted attacks believe of a person.

Attacks err on different people. A regression on their log posteriors, fitted on people that none of
them was fitted on, weighs them against each other and can beat the best of them.

Source: Wolpert, "Stacked Generalization" (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tiprdc.attacks.base import Attacker, class_frequencies

STRENGTH = 0.02
"""Inverse L2 penalty: attacks are many and alike."""
_LEAST = 1e-4


class StackAttacker(Attacker):
    """The attacks and the regression on their log posteriors.

    Args:
        frequencies: Share of each class among the people of the stack `[K]`.
        attackers: Fitted attacks.
        regression: On log posteriors under equal priors `[N, A * K]`.
        classes: The class number of each column that the regression gives.
    """

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        attackers: Sequence[Attacker],
        regression: Any,
        classes: NDArray[np.int64],
    ) -> None:
        super().__init__(frequencies)
        self.attackers, self.regression, self.classes = tuple(attackers), regression, classes

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`; a class that nobody of the stack had gets 0."""
        full = np.zeros((len(z), len(self.frequencies)))
        full[:, self.classes] = self.regression.predict_proba(_log_posteriors(self.attackers, z))
        return full


def fit_stack(
    attackers: Sequence[Attacker], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
) -> StackAttacker:
    """Fit the stack.

    Args:
        attackers: At least one; none was fitted on these people.
        z: Representations `[N, ...]`.
        u: Class numbers `[N]`.
        classes: K.
        seed: Unused: the regression is convex. Here so that all fits are called alike.

    Raises:
        ValueError: There is no attacker, or fewer than two classes.
    """
    if not attackers:
        raise ValueError("there is no fitted attack to stack")
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=500))
    regression.fit(_log_posteriors(attackers, z), u)
    return StackAttacker(class_frequencies(u, classes), attackers, regression, np.unique(u))


def _log_posteriors(attackers: Sequence[Attacker], z: NDArray[Any]) -> NDArray[np.float64]:
    """Log probabilities under equal priors, without the last class `[N, A * (K - 1)]`."""
    each = [np.log(np.clip(attacker.probabilities(z), _LEAST, 1.0)) for attacker in attackers]
    return np.concatenate([logs[:, :-1] - logs[:, -1:] for logs in each], axis=1)
