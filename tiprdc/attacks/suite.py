"""The attack suite: every attack by its name, and a run of one attack that never raises."""

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
"""Version of the attacks and their defaults: raised when one becomes stronger or weaker."""

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
"""Every attribute-inference attack by its name in params.yaml."""


def attack_named(name: str, where: str, *, records: bool = False) -> Attack:
    """The attack of this name.

    Args:
        where: The params key that an error names.
        records: Whether attackers have the records there as well as the features.

    Raises:
        ConfigError: There is no such attack, or it needs records that attackers do not have there.
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
class AttackTrial:
    """One fitted attack with its score on attacker-select, or the reason why it failed.

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
) -> AttackTrial:
    """Fit one attack on attacker-train and score it on attacker-select; never raises.

    Args:
        name: In `ATTACKS`.
        train, select: Representations `[N, ...]` and class numbers `[N]`.
        classes: K.
        seed, budget: As in `Attack.fit`.
        x: Records of attacker-train, as attacks read them, for attacks that need records.
    """
    start = time.perf_counter()
    try:
        for z, _ in (train, select):
            if not np.isfinite(z).all():
                raise ValueError("the representation contains NaN or infinity")
        attack = ATTACKS[name]
        if isinstance(attack, RecordAttack):
            attack = attack.with_records(x)
        attacker = attack.fit(*train, classes, seed, budget)
        score = balanced_accuracy(predict_classes(attacker, select[0]), select[1], classes)
    except Exception as error:  # the report states a failed attack; the audit continues
        return AttackTrial(None, f"failed: {_reason(error)}", time.perf_counter() - start, None)
    return AttackTrial(score, "ok", time.perf_counter() - start, attacker)


def predict_classes(attacker: Attacker, z: NDArray[Any]) -> NDArray[np.int64]:
    """The attacker's predicted class numbers `[N]`.

    Raises:
        ValueError: Its probabilities are not finite.
    """
    probabilities = attacker.probabilities(z)
    if not np.isfinite(probabilities).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(np.argmax(probabilities, axis=1))


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def strongest(
    names: tuple[str, ...],
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    classes: int,
    seed: int = 0,
    budget: int = 1,
) -> tuple[str, float]:
    """The attack with the highest balanced accuracy on attacker-select, and that accuracy.

    Tuning uses it: new attackers judge every setting. Select settings by this figure and report
    another split.

    Raises:
        RuntimeError: An attack failed; a setting must not look private because of that.
    """
    applicable = [n for n in names if kind_of(train[0]) in ATTACKS[n].kinds]
    trials = {name: try_attack(name, train, select, classes, seed, budget) for name in applicable}
    scores: dict[str, float] = {}
    for name, trial in trials.items():
        if trial.select is None:
            raise RuntimeError(f"{name} {trial.status}")
        scores[name] = trial.select
    best = max(scores, key=lambda name: scores[name])
    return best, scores[best]
