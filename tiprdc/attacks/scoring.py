"""One attribute, several attacks: choose on attacker-select, score the chosen on attacker-test.

What the audit does with tasks on a cluster, on arrays in one process: for comparisons, where the
same suite attacks many methods. A representation is attacked by those attacks that can read it, and
by those that hold records where these are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import kind_of
from tiprdc.attacks.suite import ATTACKS, Trial, decisions, try_attack
from tiprdc.datasets.schema import Records, Split
from tiprdc.statistics.binomial import Interval, interval
from tiprdc.statistics.sampling import balanced_sample, one_a_person

_SEEN: tuple[Split, ...] = ("attacker-train", "attacker-select")


@dataclass(frozen=True)
class Score:
    """What the chosen attack does on attacker-test.

    Args:
        attack: Its name.
        balanced: Balanced accuracy, on as many people of each class.
        plain: Share of all people recognised, each with one record, the classes as frequent as
            they are. The same attacker, who now guesses by the shares of attacker-train.
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
) -> Score:
    """Attack one attribute, or probe one task.

    Args:
        attacks: Names of attacks.
        seeds: Each attack that depends on chance is fitted once for each.
        z: Representations `[N, ...]` of the three attackers' splits.
        records: The same records with their labels.
        name: The attribute or task.
        classes: K.
        sample_seed: Decides who of attacker-test is in the balanced sample.
        x: Records of attacker-train, as attacks see them; without, attacks that need them are left
            out.

    Raises:
        ValueError: No attack can read such representations, or all need records.
        RuntimeError: An attack failed: a method must not look private because of that.
    """
    train, select = ((z[split], records[split].labels[name]) for split in _SEEN)
    suiting = [
        attack for attack in attacks
        if kind_of(train[0]) in ATTACKS[attack].kinds
        and not (ATTACKS[attack].needs_records and x is None)
    ]  # fmt: skip
    if not suiting:
        raise ValueError(f"none of {', '.join(attacks)} can read {kind_of(train[0])} records")
    best: tuple[float, str, Trial] | None = None
    for attack in suiting:
        for seed in seeds if ATTACKS[attack].random else seeds[:1]:
            trial = try_attack(attack, train, select, classes, seed, x=x)
            if trial.select is None:
                raise RuntimeError(f"{attack} {trial.status}")
            if best is None or trial.select > best[0]:
                best = trial.select, attack, trial
    assert best is not None
    attacker, test = best[2].attacker, records["attacker-test"]
    assert attacker is not None
    truth = test.labels[name]
    rows = balanced_sample(truth, test.person, classes, sample_seed)
    recognised = decisions(attacker, z["attacker-test"][rows]) == truth[rows]
    people = one_a_person(test.person, np.random.default_rng(sample_seed))
    guessed = np.argmax(attacker.posterior(z["attacker-test"][people]), axis=1)
    return Score(
        attack=best[1],
        balanced=interval(int(recognised.sum()), len(rows)),
        plain=interval(int(np.sum(guessed == truth[people])), len(people)),
    )
