"""Does more data still help the attacker? The chosen attack, on ever more of attacker-train.

Each step holds the people of the one before it. Scored on attacker-select, which chose the attack:
the curve is a little too high, and its shape is what counts. Where it still rises at the end, an
attacker with more people does better than the audit's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.suite import decisions, try_attack
from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.paired import paired_difference
from tiprdc.statistics.sampling import balanced_sample

SHARES = (0.125, 0.25, 0.5, 1.0)
FEWEST = 20
"""Records of the smallest step."""


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
    """Accuracy on attacker-select by the number of records, and what the last doubling gave.

    Args:
        about: The private attribute.
        attack: The chosen one.
        train: Representations `[N, ...]` and class numbers `[N]`.
        select: The same, and persons.
        classes: K.
        confidence: Of each one-sided bound.
        seed: Of the attack.
        x: Records of attacker-train, for an attack that needs them.

    Raises:
        RuntimeError: The attack failed.
    """
    order = np.random.default_rng(seed).permutation(len(train[0]))
    z, u, person = select
    rows = balanced_sample(u, person, classes, seed)
    measures, right = [], []
    for share in SHARES:
        count = round(share * len(order))
        some = np.sort(order[:count])
        if count < FEWEST or len(np.unique(train[1][some])) < classes:
            continue
        held = None if x is None else x[some]
        part = train[0][some], train[1][some]
        trial = try_attack(attack, part, (z, u), classes, seed, x=held)
        if trial.attacker is None:
            raise RuntimeError(f"{attack} {trial.status}")
        right.append(decisions(trial.attacker, z[rows]) == u[rows])
        measures.append(
            Measure(
                name=f"{attack} after {count:,} records", about=about,
                representation="released", value=float(right[-1].mean()), low=None, high=None,
                baseline=1 / classes, people=len(rows),
            )
        )  # fmt: skip
    if len(right) > 1:
        last = paired_difference(right[-2], right[-1], confidence)
        measures.append(
            Measure(
                name="gained by the last doubling", about=about, representation="released",
                value=last.difference, low=last.low, high=last.high, baseline=0.0,
                people=last.people,
            )
        )  # fmt: skip
    return tuple(measures)
