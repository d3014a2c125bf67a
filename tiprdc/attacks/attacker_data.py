"""Attacker's learning curve: the selected attack on growing parts of attacker-train.

Each step contains the people of the step before it. The scores are on attacker-select, which also
selected the attack, so the curve is a little too high; its shape is what counts. Where it still
rises at the end, an attacker with more people does better than the audit's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.suite import predict_classes, try_attack
from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.paired import paired_difference
from tiprdc.statistics.sampling import balanced_sample

SHARES = (0.125, 0.25, 0.5, 1.0)
MIN_RECORDS = 20
"""Fewest records of a step; smaller steps are left out."""


def attacker_data(
    about: str,
    attack: str,
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64], NDArray[np.str_]],
    classes: int,
    confidence: float,
    seed: int,
    x: NDArray[Any] | None = None,
) -> tuple[Measure, ...]:
    """Accuracy on attacker-select by the number of records, and the gain of the last doubling.

    Args:
        about: The private attribute.
        attack: Name of the selected attack.
        train: Representations `[N, ...]` and class numbers `[N]`.
        select: The same, and persons.
        classes: K.
        confidence: Of each one-sided bound.
        seed: Of the attack.
        x: Records of attacker-train, for an attack that needs records.

    Raises:
        RuntimeError: The attack failed.
    """
    data = TrainingSet(z=train[0], labels={"u": train[1]}, classes={"u": classes}, x=x)
    order = np.random.default_rng(seed).permutation(len(train[0]))
    z, u, person = select
    rows = balanced_sample(u, person, classes, seed)
    measures, correct = [], []
    for share in SHARES:
        count = round(share * len(order))
        subset = np.sort(order[:count])
        if count < MIN_RECORDS or len(np.unique(train[1][subset])) < classes:
            continue
        trial = try_attack(attack, data.take(subset), ("u",), z, {"u": u}, seed)["u"]
        if trial.attacker is None:
            raise RuntimeError(f"{attack} {trial.status}")
        correct.append(predict_classes(trial.attacker, z[rows]) == u[rows])
        measures.append(
            Measure(
                name=f"{attack} after {count:,} records", about=about,
                representation="released", value=float(correct[-1].mean()), low=None, high=None,
                baseline=1 / classes, people=len(rows),
            )
        )  # fmt: skip
    if len(correct) > 1:
        last = paired_difference(correct[-2], correct[-1], confidence)
        measures.append(
            Measure(
                name="gained by the last doubling", about=about, representation="released",
                value=last.difference, low=last.low, high=last.high, baseline=0.0,
                people=last.people,
            )
        )  # fmt: skip
    return tuple(measures)
