"""The attack suite: every attack by its name, and a run of one attack that never raises."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Attack, Attacker, TrainingSet, kind_of
from tiprdc.attacks.families.bag_of_tokens import BagOfTokensAttack
from tiprdc.attacks.families.cnn import CnnAttack
from tiprdc.attacks.families.decensoring import DecensoringAttack
from tiprdc.attacks.families.decoding import DecodingAttack
from tiprdc.attacks.families.gradient_boosting import GradientBoostingAttack
from tiprdc.attacks.families.gru import GruAttack
from tiprdc.attacks.families.kernel import KernelAttack
from tiprdc.attacks.families.logistic_regression import LogisticRegressionAttack
from tiprdc.attacks.families.mlp import MlpAttack
from tiprdc.attacks.families.moments import MomentsAttack
from tiprdc.attacks.families.nearest_neighbours import NearestNeighboursAttack
from tiprdc.attacks.families.quadratic import QuadraticAttack
from tiprdc.attacks.families.recursive_features import RecursiveFeaturesAttack
from tiprdc.attacks.families.residual import ResidualAttack
from tiprdc.attacks.families.ridge import RidgeAttack
from tiprdc.attacks.stack import fit_stack
from tiprdc.errors import ConfigError, suggestion
from tiprdc.statistics.scores import balanced_accuracy

SUITE_VERSION = "2.2.0"
"""Version of the attacks and their defaults: raised when one becomes stronger or weaker."""

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        LogisticRegressionAttack(),
        QuadraticAttack(),
        MomentsAttack(),
        GradientBoostingAttack(),
        NearestNeighboursAttack(),
        KernelAttack(),
        MlpAttack(),
        CnnAttack(),
        DecodingAttack(),
        DecensoringAttack(),
        GruAttack(),
        BagOfTokensAttack(),
        RidgeAttack(),
        ResidualAttack(),
        RecursiveFeaturesAttack(),
    )
}
"""Every attribute-inference attack by its name in params.yaml."""
_VALUE = re.compile(r"'.*'|\".*\"|[-+]?\b\d[\d.]*(e[-+]?\d+)?", re.DOTALL)
"""Quotations and numbers in an error's text."""


_RAW = {
    "image": ("residual", "ridge"),
    "table": ("residual", "gradient_boosting", "ridge"),
    "text": ("bag_of_tokens", "ridge", "gru"),
    "audio": ("residual", "ridge"),
}
MANY_PICTURES = 30_000
"""More pictures than this are read by convolutions alone: `ridge` was far behind them there."""


def raw_attacks(modality: str, records: int) -> tuple[str, ...]:
    """The default attacks on raw records of this modality, fitted on so many."""
    many = modality == "image" and records > MANY_PICTURES
    return _RAW[modality][:1] if many else _RAW[modality]


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
        seconds: Wall time; of a fit that serves several targets, an equal share for each.
        attacker: None if it failed.
        people: Records that it was fitted on.
    """

    select: float | None
    status: str
    seconds: float
    attacker: Attacker | None
    people: int = 0


def try_attack(
    name: str,
    data: TrainingSet,
    targets: tuple[str, ...],
    select_z: NDArray[Any],
    select_labels: Mapping[str, NDArray[np.int64]],
    seed: int = 0,
    budget: int = 1,
) -> dict[str, AttackTrial]:
    """Fit one attack on attacker-train and score it on attacker-select; never raises.

    An attack with `most_records` is fitted on so many records at most, drawn at random with the
    seed; each class of each target is among them.

    Args:
        name: In `ATTACKS`.
        data: attacker-train.
        targets: Names in `data.labels`. Where the attack is `joint`, one fit serves them all.
        select_z: Representations of attacker-select `[M, ...]`.
        select_labels: Target -> class numbers `[M]`.
        seed, budget: As in `Attack.fit`.

    Returns:
        Target -> its trial. If a joint fit fails, it fails for all of its targets.
    """
    groups = (targets,) if ATTACKS[name].joint else tuple((target,) for target in targets)
    trials: dict[str, AttackTrial] = {}
    for group in groups:
        trials |= _try_group(name, data, group, select_z, select_labels, seed, budget)
    return trials


def _try_group(
    name: str,
    data: TrainingSet,
    targets: tuple[str, ...],
    select_z: NDArray[Any],
    select_labels: Mapping[str, NDArray[np.int64]],
    seed: int,
    budget: int,
) -> dict[str, AttackTrial]:
    """One fit, and its trial for each of the targets."""
    start, attack = time.perf_counter(), ATTACKS[name]
    scores: dict[str, float] = {}
    try:
        for z in (data.z, select_z):
            if not np.isfinite(z).all():
                raise ValueError("the representation contains NaN or infinity")
        part = _subset(data, targets, attack.most_records, seed)
        attackers = attack.fit_targets(part, targets, seed, budget)
        predicted = predict_all(name, attackers, select_z)
        for target in targets:
            scores[target] = balanced_accuracy(
                predicted[target], select_labels[target], data.classes[target]
            )
    except Exception as error:  # the report states a failed attack; the audit continues
        seconds = (time.perf_counter() - start) / len(targets)
        failed = AttackTrial(None, f"failed: {_reason(error)}", seconds, None)
        return dict.fromkeys(targets, failed)
    seconds = (time.perf_counter() - start) / len(targets)
    return {
        target: AttackTrial(scores[target], "ok", seconds, attackers[target], len(part))
        for target in targets
    }


def _subset(
    data: TrainingSet, targets: tuple[str, ...], most: int | None, seed: int
) -> TrainingSet:
    """At most so many records, drawn at random, with at least one of each class."""
    if most is None or len(data) <= most:
        return data
    order = np.random.default_rng(seed).permutation(len(data))
    firsts = [
        order[np.unique(data.labels[target][order], return_index=True)[1]] for target in targets
    ]
    required = np.unique(np.concatenate(firsts))
    others = order[~np.isin(order, required)]
    return data.take(np.sort(np.concatenate([required, others])[:most]))


def predict_all(
    name: str, attackers: Mapping[str, Attacker], z: NDArray[Any]
) -> dict[str, NDArray[np.int64]]:
    """The predicted class numbers `[N]` of each target of one fit of this attack.

    Raises:
        ValueError: Probabilities are not finite.
    """
    probabilities = ATTACKS[name].predict_targets(attackers, z)
    return {target: _classes_of(values) for target, values in probabilities.items()}


def predict_classes(attacker: Attacker, z: NDArray[Any]) -> NDArray[np.int64]:
    """The attacker's predicted class numbers `[N]`.

    Raises:
        ValueError: Its probabilities are not finite.
    """
    return _classes_of(attacker.probabilities(z))


def _classes_of(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    if not np.isfinite(probabilities).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(np.argmax(probabilities, axis=1))


def _reason(error: Exception) -> str:
    """The error in words; a library may quote a person's value, and the report is released."""
    lines = _VALUE.sub("...", str(error)).strip().splitlines()
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
    data = TrainingSet(z=train[0], labels={"u": train[1]}, classes={"u": classes})
    scores: dict[str, float] = {}
    for name in names:
        if kind_of(train[0]) in ATTACKS[name].kinds:
            trial = try_attack(name, data, ("u",), select[0], {"u": select[1]}, seed, budget)["u"]
            if trial.select is None:
                raise RuntimeError(f"{name} {trial.status}")
            scores[name] = trial.select
    best = max(scores, key=lambda name: scores[name])
    return best, scores[best]


def try_stack(
    attackers: Sequence[Attacker],
    stack: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    classes: int,
    seed: int = 0,
) -> AttackTrial:
    """Stack fitted attackers and score the stack on attacker-select; never raises.

    Args:
        attackers: Fitted on other people than those of `stack`, at least one.
        stack, select: Representations `[N, ...]` and class numbers `[N]`.
        classes: K.
        seed: Of the fit.
    """
    start = time.perf_counter()
    try:
        attacker = fit_stack(attackers, *stack, classes, seed)
        score = balanced_accuracy(predict_classes(attacker, select[0]), select[1], classes)
    except Exception as error:  # the report states a failed attack; the audit continues
        return AttackTrial(None, f"failed: {_reason(error)}", time.perf_counter() - start, None)
    return AttackTrial(score, "ok", time.perf_counter() - start, attacker, len(stack[0]))
