"""Logistic regression on tf-idf weights of tokens: the strong simple attack on text records."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.logistic_regression import STRENGTHS
from tiprdc.attacks.families.sklearn_attack import fit_estimator


class BagOfTokensAttack(Attack):
    """Multinomial logistic regression on tf-idf weights of token ids."""

    name = "bag_of_tokens"
    kinds = frozenset({"text"})

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        count = partial(token_counts, int(z.max()) + 1)
        make = [partial(_estimator, 30 * strength) for strength in STRENGTHS[:budget]]
        return fit_estimator(make, count, z, u, classes, seed)


def _estimator(strength: float) -> Any:
    return make_pipeline(
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=strength, max_iter=200, tol=1e-3),
    )


def token_counts(vocabulary: int, z: NDArray[Any]) -> sparse.csr_array:
    """How often each id occurs `[N, vocabulary]`; padding and unknown ids do not count."""
    known = (z > 0) & (z < vocabulary)
    rows, _ = np.nonzero(known)
    shape = (len(z), vocabulary)
    return sparse.csr_array((np.ones(len(rows)), (rows, z[known])), shape=shape)
