"""The attacks by name, and one guarded run of one of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.bag_of_tokens import BagOfTokensAttack
from tiprdc.attacks.base import Attack, Attacker, kind_of
from tiprdc.attacks.cnn import CnnAttack
from tiprdc.attacks.decensoring import DecensoringAttack
from tiprdc.attacks.decoding import DecodingAttack
from tiprdc.attacks.gradient_boosting import GradientBoostingAttack
from tiprdc.attacks.gru import GruAttack
from tiprdc.attacks.kernel import KernelAttack
from tiprdc.attacks.logistic_regression import LogisticRegressionAttack
from tiprdc.attacks.mlp import MlpAttack
from tiprdc.attacks.nearest_neighbours import NearestNeighboursAttack
from tiprdc.attacks.quadratic import QuadraticAttack
from tiprdc.attacks.record_attack import RecordAttack
from tiprdc.errors import ConfigError, suggestion
from tiprdc.statistics.scores import balanced_accuracy

SUITE_VERSION = "1.2.0"
"""Raised whenever an attack or a default becomes stronger or weaker."""

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        LogisticRegressionAttack(),
        QuadraticAttack(),
        GradientBoostingAttack(),
        NearestNeighboursAttack(),
        KernelAttack(),
        MlpAttack(),
        CnnAttack(),
        DecodingAttack(),
        DecensoringAttack(),
        GruAttack(),
        BagOfTokensAttack(),
    )
}
"""Every attack on an attribute, by its name in params.yaml."""


def attack_named(name: str, where: str, *, records: bool = False) -> Attack:
    """The attack of this name.

    Args:
        where: The params key to blame.
        records: Whether the attacker holds records there, beside their features.

    Raises:
        ConfigError: There is none, or it needs records that nobody has there.
    """
    if name not in ATTACKS:
        names = ", ".join(ATTACKS)
        raise ConfigError(where, name, f"one of {names}", suggestion(name, ATTACKS))
    if ATTACKS[name].needs_records and not records:
        raise ConfigError(
            where, name, "an attack that needs no records", "keep it in audit.attacks"
        )
    return ATTACKS[name]


@dataclass(frozen=True)
class Trial:
    """One fitted attack, scored on attacker-select, or why there is none.

    Args:
        select: Balanced accuracy on attacker-select in [0, 1]; None if it failed.
        status: "ok" or "failed: ...".
        seconds: Wall time.
        attacker: None if it failed.
    """

    select: float | None
    status: str
    seconds: float
    attacker: Attacker | None


def try_attack(
    name: str,
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    classes: int,
    seed: int = 0,
    budget: int = 1,
    x: NDArray[Any] | None = None,
) -> Trial:
    """Fit one attack on attacker-train and score it on attacker-select; never raises.

    Args:
        name: In `ATTACKS`.
        train, select: Representations `[N, ...]` and class numbers `[N]`.
        classes: K.
        seed, budget: As in `Attack.fit`.
        x: Records of attacker-train, as attacks see them, for those that need them.
    """
    start = time.perf_counter()
    try:
        for z, _ in (train, select):
            if not np.isfinite(z).all():
                raise ValueError("the representation holds NaN or infinity")
        attack = ATTACKS[name]
        if isinstance(attack, RecordAttack):
            attack = attack.with_records(x)
        attacker = attack.fit(*train, classes, seed, budget)
        score = balanced_accuracy(decisions(attacker, select[0]), select[1], classes)
    except Exception as error:  # a broken attack is a fact for the report, not the audit's end
        return Trial(None, f"failed: {_reason(error)}", time.perf_counter() - start, None)
    return Trial(score, "ok", time.perf_counter() - start, attacker)


def decisions(attacker: Attacker, z: NDArray[Any]) -> NDArray[np.int64]:
    """What the attacker decides `[N]`.

    Raises:
        ValueError: It gives NaN in place of probabilities.
    """
    said = attacker.probabilities(z)
    if not np.isfinite(said).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(np.argmax(said, axis=1))


def _reason(error: Exception) -> str:
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0][:200]}" if first else type(error).__name__


def strongest(
    names: tuple[str, ...],
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    classes: int,
    seed: int = 0,
    budget: int = 1,
) -> tuple[str, float]:
    """The attack that recognises most on attacker-select, and its balanced accuracy there.

    For tuning, where a fresh attacker judges every setting: choose settings by it, report another
    split.

    Raises:
        RuntimeError: An attack failed: a setting must not look private because of that.
    """
    suiting = [n for n in names if kind_of(train[0]) in ATTACKS[n].kinds]
    trials = {name: try_attack(name, train, select, classes, seed, budget) for name in suiting}
    scores: dict[str, float] = {}
    for name, trial in trials.items():
        if trial.select is None:
            raise RuntimeError(f"{name} {trial.status}")
        scores[name] = trial.select
    best = max(scores, key=lambda name: scores[name])
    return best, scores[best]
