"""Scores several attacks on one attribute: selected on attacker-select, scored on attacker-test.

It does on arrays in one process what the audit does with tasks on a cluster. Comparisons use it,
where the same suite attacks many methods. A representation is attacked by the attacks that can read
it, and by those that need records where records are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import TrainingSet, kind_of
from tiprdc.attacks.suite import ATTACKS, AttackTrial, predict_classes, try_attack
from tiprdc.datasets.schema import Records, Split
from tiprdc.statistics.binomial import Interval, interval
from tiprdc.statistics.sampling import balanced_sample, one_a_person

_FIT_SPLITS: tuple[Split, ...] = ("attacker-train", "attacker-select")


@dataclass(frozen=True)
class Score:
    """Accuracy of the selected attack on attacker-test.

    Args:
        attack: Its name.
        balanced: Balanced accuracy, on as many people of each class.
        plain: Share of all people recognised, one record each, at the classes' own frequencies. The
            same attacker then predicts by the class frequencies of attacker-train.
    """

    attack: str
    balanced: Interval
    plain: Interval


def score(
    attacks: tuple[str, ...],
    seeds: tuple[int, ...],
    z: Mapping[Split, NDArray[Any]],
    records: Mapping[Split, Records],
    name: str,
    classes: int,
    *,
    sample_seed: int = 0,
    x: NDArray[Any] | None = None,
    draws: NDArray[Any] | None = None,
) -> Score:
    """Attack one attribute, or probe one task.

    Args:
        attacks: Names of attacks.
        seeds: Each attack that depends on chance is fitted once with each seed.
        z: Representations `[N, ...]` of the three attackers' splits.
        records: The same records with their labels.
        name: The attribute or task.
        classes: K.
        sample_seed: Draws the balanced sample of attacker-test.
        x: Records of attacker-train, as attacks read them; without, attacks that need records are
            left out.
        draws: Further draws of the representations of attacker-train `[R, N, ...]`, where they have
            noise.

    Raises:
        ValueError: No attack can read such representations, or all of them need records.
        RuntimeError: An attack failed; a method must not look private because of that.
    """
    train, select = (z[split] for split in _FIT_SPLITS)
    labels, select_labels = ({name: records[split].labels[name]} for split in _FIT_SPLITS)
    data = TrainingSet(z=train, labels=labels, classes={name: classes}, x=x, draws=draws)
    applicable = [
        attack for attack in attacks
        if kind_of(train) in ATTACKS[attack].kinds
        and not (ATTACKS[attack].needs_records and x is None)
    ]  # fmt: skip
    if not applicable:
        raise ValueError(f"none of {', '.join(attacks)} can read {kind_of(train)} records")
    best: tuple[float, str, AttackTrial] | None = None
    for attack in applicable:
        for seed in seeds if ATTACKS[attack].random else seeds[:1]:
            trial = try_attack(attack, data, (name,), select, select_labels, seed)[name]
            if trial.select is None:
                raise RuntimeError(f"{attack} {trial.status}")
            if best is None or trial.select > best[0]:
                best = trial.select, attack, trial
    assert best is not None
    attacker, test = best[2].attacker, records["attacker-test"]
    assert attacker is not None
    truth = test.labels[name]
    rows = balanced_sample(truth, test.person, classes, sample_seed)
    correct = predict_classes(attacker, z["attacker-test"][rows]) == truth[rows]
    people = one_a_person(test.person, np.random.default_rng(sample_seed))
    predicted = np.argmax(attacker.posterior(z["attacker-test"][people]), axis=1)
    return Score(
        attack=best[1],
        balanced=interval(int(correct.sum()), len(rows)),
        plain=interval(int(np.sum(predicted == truth[people])), len(people)),
    )
