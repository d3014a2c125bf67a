"""CLUB: a diagnostic estimate of I(z; u) by a classifier.

    I_club = E[log q(u | z)] - E_z E_u[log q(u | z)]

In the second expectation u and z are independent. u is discrete, so it is exact: the
log-probabilities, weighted by the frequency of each class. If q is the true posterior (or nearer to
it than z and u are to independence), this is an *upper* bound on I(z; u) in nats. A fitted q is
only an approximation: 0 means that *this* q found nothing, never that there is nothing. A q that is
always certain gives values above H(u), which mean no more than H(u).

Source: Cheng et al. 2020 (CLUB), the variational form with all pairs.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

_LANDMARKS = 256


def club(logits: Tensor, u: Tensor) -> Tensor:
    """The CLUB estimate of I(z; u) in nats, from the logits of a classifier q(u | z).

    Args:
        logits: `[B, K]`, up to a constant for each record.
        u: Class numbers `[B]`, int64.

    Returns:
        A scalar; exactly 0 for a classifier with the same output for every record.
    """
    log_q = logits.log_softmax(1)
    shares = F.one_hot(u, logits.shape[1]).to(log_q).mean(0)
    return (log_q.gather(1, u[:, None])[:, 0] - log_q @ shares).mean()


def club_of_features(
    z: NDArray[np.float32], u: NDArray[np.int64], classes: int, seed: int
) -> float:
    """CLUB of features and labels, by two-fold cross-fitting, averaged over both folds.

    The classifier is logistic regression on standardised columns and on a Gaussian kernel of them
    (Nystroem, 256 landmarks): a tenth of a second for 2,048 records. It predicts only records that
    it was not fitted on, since it is too certain of the others.

    Args:
        z: Features `[N, D]`, N >= 2.
        u: Class numbers `[N]`.
        classes: K.
        seed: Chooses halves and landmarks.

    Returns:
        Nats; about 0, also slightly below, if nothing is found.
    """
    first, second = np.array_split(np.random.default_rng(seed).permutation(len(z)), 2)
    folds = ((first, second), (second, first))
    return sum(_held_out_club(z, u, classes, train, test, seed) for train, test in folds) / 2


def _held_out_club(
    z: NDArray[np.float32], u: NDArray[np.int64], classes: int,
    train: NDArray[np.intp], test: NDArray[np.intp], seed: int,
) -> float:  # fmt: skip
    """CLUB on the test rows, by a classifier fitted on the training rows."""
    if len(np.unique(u[train])) < 2:
        return 0.0
    kernel = Nystroem(n_components=min(_LANDMARKS, len(train)), random_state=seed)
    classifier = make_pipeline(
        StandardScaler(),
        FeatureUnion([("columns", "passthrough"), ("kernel", kernel)]),
        LogisticRegression(max_iter=1000),
    )
    classifier.fit(z[train], u[train])
    # One more record, spread over all classes, keeps log q finite for classes not in training.
    q = np.full((len(test), classes), 1 / classes)
    q[:, classifier[-1].classes_] += len(train) * classifier.predict_proba(z[test])
    return float(club(torch.from_numpy(np.log(q)), torch.from_numpy(u[test])))
