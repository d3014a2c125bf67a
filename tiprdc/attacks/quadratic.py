"""Products of two columns: leaks that no column tells alone, however faint.

Logistic regression on the columns and on all their squares and products. XOR, lengths and clusters
that lie symmetrically are linear there: where a leak is faint, one convex problem in a few hundred
columns finds it among people too few for a kernel or a network to see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.scaling import Scaling, standardise, whiten
from tiprdc.attacks.sklearn_attack import fit_estimator

STRENGTHS = (0.003, 0.03, 0.0003, 0.3)
"""Inverse L2 penalties in the order in which a budget admits them."""
WIDEST = 48
"""Most columns that are multiplied: the principal axes of most variance."""


class QuadraticAttack(Attack):
    """Multinomial logistic regression on columns, squares and products of two."""

    name = "quadratic"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        make = [partial(LogisticRegression, C=c, max_iter=200, tol=1e-3) for c in STRENGTHS]
        return fit_estimator(make[:budget], expand(z, seed), z, u, classes, seed)


@dataclass(frozen=True)
class Expansion:
    """Whitened columns and the products of the loudest of them, all standardised.

    Args:
        scaling: z -> whitened columns `[N, P]`.
        loudest: Which columns are multiplied.
        products: Standardises columns and products together.
    """

    scaling: Scaling
    loudest: NDArray[np.intp]
    products: Scaling

    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        """`[N, ...]` -> `[N, P + L (L + 1) / 2]`."""
        return self.products(_multiplied(self.scaling(z), self.loudest))


def expand(z: NDArray[Any], seed: int) -> Expansion:
    """Fitted on attacker-train `[N, ...]`.

    Args:
        seed: Of the randomised components of a wide representation.
    """
    scaling = whiten(z, seed)
    seen = scaling(z)
    loudest = np.sort(np.argsort(-seen.var(0), kind="stable")[:WIDEST])
    return Expansion(scaling, loudest, standardise(_multiplied(seen, loudest)))


def _multiplied(seen: NDArray[np.float32], loudest: NDArray[np.intp]) -> NDArray[np.float32]:
    rows, columns = np.triu_indices(len(loudest))
    some = seen[:, loudest]
    return np.concatenate([seen, some[:, rows] * some[:, columns]], axis=1)
