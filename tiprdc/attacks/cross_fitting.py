"""What can be known of a private attribute from a record, by somebody who never saw its person.

With few people and wide records an adversary that learns u on the extractor's own people leads
astray. Most of what is to be said of u by a record is chance, a word that one person happened to
use, and the extractor learns to hide that chance: its people are hidden and fresh ones are not
(docs/method.md). What a classifier believes of people whom it was not fitted on is what an attacker
will know of fresh ones, a plain function of the record, and to hide that is to hide it of everyone.

Source: Schick 1986, Chernozhukov et al. 2018 (cross-fitting); to hide what is believed in place of
what is true is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from tiprdc.attacks.bag_of_tokens import BagOfTokensAttack
from tiprdc.attacks.base import Attack, kind_of
from tiprdc.attacks.cnn import CnnAttack
from tiprdc.attacks.gradient_boosting import GradientBoostingAttack
from tiprdc.datasets.schema import Records
from tiprdc.errors import DataError

_FOLDS = 8
_CLASSIFIERS: dict[str, Attack] = {
    "text": BagOfTokensAttack(),
    "flat": GradientBoostingAttack(),
    "picture": CnnAttack(),
}


class OutOfFoldPredictions(NamedTuple):
    """What is believed of the private attribute of some people.

    Args:
        of: p(u | x) `[N, K]`, as if all classes were equally frequent.
        explained: Share of u that they explain, a squared correlation, 0 to 1.
    """

    of: NDArray[np.float32]
    explained: float


def cross_fit(records: Records, name: str, classes: int, seed: int) -> OutOfFoldPredictions:
    """What a classifier fitted on the other people says of each record.

    Args:
        records: Of N people and more; x as attacks see it (tiprdc.models.inputs.as_attacked).
        name: The private attribute.
        classes: K.
        seed: The same gives the same.

    Raises:
        DataError: Fewer people than folds.
    """
    people = len(np.unique(records.person))
    if people < _FOLDS:
        raise DataError(
            "extractor-train",
            f"{people} people",
            f"at least {_FOLDS} for train.objective.cross_fit",
            "set train.objective.cross_fit to false, or prepare more people",
        )
    classifier, u = _CLASSIFIERS[kind_of(records.x)], records.labels[name]
    found = np.zeros((len(records), classes), np.float32)
    for others, own in GroupKFold(_FOLDS).split(records.x, u, records.person):
        fitted = classifier.fit(records.x[others], u[others], classes, seed, 1)
        found[own] = fitted.probabilities(records.x[own])
    return OutOfFoldPredictions(found, _explained(found, u))


def _explained(found: NDArray[np.float32], u: NDArray[np.int64]) -> float:
    """The squared correlation of beliefs `[N, K]` with u's one-hot columns, 0 to 1."""
    hot = np.eye(found.shape[1], dtype=np.float32)[u]
    guess, truth = found - found.mean(0), hot - hot.mean(0)
    spread = max(float(np.square(guess).mean() * np.square(truth).mean()), 1e-12)
    return max(float((guess * truth).mean()), 0.0) ** 2 / spread
