"""Quadratic attack: logistic regression on the columns and all their squares and products.

It finds leaks that no single column shows. XOR, lengths and symmetric clusters are linear in the
products. Where such a leak is faint, one convex problem in a few hundred columns finds it from
fewer people than a kernel or a network needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.sklearn_attack import fit_estimator
from tiprdc.attacks.scaling import Scaling, standardise, whiten

STRENGTHS = (0.003, 0.03, 0.0003, 0.3)
"""Inverse L2 penalties; a budget of n tries the first n."""
MAX_MULTIPLIED = 48
"""Most columns that are multiplied: the principal axes of largest variance."""


class QuadraticAttack(Attack):
    """Multinomial logistic regression on columns, their squares and products of two."""

    name = "quadratic"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        candidates = [partial(LogisticRegression, C=c, max_iter=200, tol=1e-3) for c in STRENGTHS]
        return fit_estimator(candidates[:budget], expand(z, seed), z, u, classes, seed)


@dataclass(frozen=True)
class Expansion:
    """Whitened columns and the products of those of largest variance, all standardised.

    Args:
        scaling: z -> whitened columns `[N, P]`.
        multiplied: Numbers `[L]` of the columns that are multiplied.
        products: Standardises columns and products together.
    """

    scaling: Scaling
    multiplied: NDArray[np.intp]
    products: Scaling

    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        """`[N, ...]` -> `[N, P + L (L + 1) / 2]`."""
        return self.products(_with_products(self.scaling(z), self.multiplied))


def expand(z: NDArray[Any], seed: int) -> Expansion:
    """Fit the expansion on attacker-train.

    Args:
        z: Representations `[N, ...]`.
        seed: Of the randomised components of a wide representation.
    """
    scaling = whiten(z, seed)
    whitened = scaling(z)
    multiplied = np.sort(np.argsort(-whitened.var(0), kind="stable")[:MAX_MULTIPLIED])
    return Expansion(scaling, multiplied, standardise(_with_products(whitened, multiplied)))


def _with_products(
    whitened: NDArray[np.float32], multiplied: NDArray[np.intp]
) -> NDArray[np.float32]:
    """`[N, P]` -> the columns and the products of two of the chosen ones."""
    first, second = np.triu_indices(len(multiplied))
    factors = whitened[:, multiplied]
    return np.concatenate([whitened, factors[:, first] * factors[:, second]], axis=1)
