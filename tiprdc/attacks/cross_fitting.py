"""Cross-fitting: predicts the private attribute of each person by classifiers fitted on others.

With few people and wide records, an adversary that learns u on the extractor's own people misleads
training. Most of the relation between a record and u is then chance, such as a word that one person
happened to use. The extractor learns to hide that chance: its own people are hidden and fresh ones
are not (docs/method.md). Out-of-fold predictions are what an attacker will know of fresh people: a
plain function of the record, and to hide it is to hide it for everyone.

Source: Schick 1986, Chernozhukov et al. 2018 (cross-fitting). Hiding the prediction in place of the
label is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from tiprdc.attacks.base import Attack, kind_of
from tiprdc.attacks.families.bag_of_tokens import BagOfTokensAttack
from tiprdc.attacks.families.cnn import CnnAttack
from tiprdc.attacks.families.gradient_boosting import GradientBoostingAttack
from tiprdc.datasets.schema import Records
from tiprdc.errors import DataError

_FOLDS = 8
_CLASSIFIERS: dict[str, Attack] = {
    "text": BagOfTokensAttack(),
    "flat": GradientBoostingAttack(),
    "picture": CnnAttack(),
}


class OutOfFoldPredictions(NamedTuple):
    """Predictions of the private attribute, each by a classifier that was not fitted on the person.

    Args:
        of: p(u | x) `[N, K]`, as if all classes were equally frequent.
        explained: Squared correlation of the predictions with u, 0 to 1.
    """

    of: NDArray[np.float32]
    explained: float


def cross_fit(records: Records, name: str, classes: int, seed: int) -> OutOfFoldPredictions:
    """Predict u for each record by a classifier fitted on other people.

    Args:
        records: N records of at least 8 people; x as attacks read it
            (tiprdc.models.inputs.attack_inputs).
        name: The private attribute.
        classes: K.
        seed: The same seed gives the same predictions.

    Raises:
        DataError: Fewer people than folds.
    """
    people = len(np.unique(records.person))
    if people < _FOLDS:
        raise DataError(
            "extractor-train", f"{people} people are too few for train.objective.cross_fit",
            f"at least {_FOLDS}", "set train.objective.cross_fit to false, or prepare more people",
        )  # fmt: skip
    classifier, u = _CLASSIFIERS[kind_of(records.x)], records.labels[name]
    predictions = np.zeros((len(records), classes), np.float32)
    for fit_rows, fold_rows in GroupKFold(_FOLDS).split(records.x, u, records.person):
        fitted = classifier.fit(records.x[fit_rows], u[fit_rows], classes, seed, 1)
        predictions[fold_rows] = fitted.probabilities(records.x[fold_rows])
    return OutOfFoldPredictions(predictions, _explained(predictions, u))


def _explained(predictions: NDArray[np.float32], u: NDArray[np.int64]) -> float:
    """Squared correlation of predictions `[N, K]` with u's one-hot columns, 0 to 1."""
    onehot = np.eye(predictions.shape[1], dtype=np.float32)[u]
    predicted, truth = predictions - predictions.mean(0), onehot - onehot.mean(0)
    variances = max(float(np.square(predicted).mean() * np.square(truth).mean()), 1e-12)
    return max(float((predicted * truth).mean()), 0.0) ** 2 / variances
