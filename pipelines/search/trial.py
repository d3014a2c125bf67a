"""Run one trial of a search in this process: train with its settings, then attack the features.

Attackers are trained from scratch on attacker-train and scored on attacker-select; attacker-test
stays closed. Privacy and utility are measured as in the audit: balanced accuracy on a balanced
sample. Trials that differ in the head alone share a trunk (trunk.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.search.early_stop import stop_reason
from pipelines.search.space import TuneConfig, trial_config, trunk_config
from pipelines.search.trial_data import TrialData
from pipelines.search.trunk import SharedTrunk, Trunks
from tiprdc.attacks.base import Attacker, TrainingSet
from tiprdc.attacks.suite import ATTACKS
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.statistics.binomial import Interval, interval, prior
from tiprdc.statistics.sampling import balanced_sample
from tiprdc.statistics.scores import kept_share
from tiprdc.training.config import TrainConfig
from tiprdc.training.features import batched_output
from tiprdc.training.head.trunk_features import trunk_features
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext

FINISHED, DIVERGED, HOPELESS = "finished", "diverged", "hopeless"
"""States in which a trial ends by itself."""
ReportEpoch = Callable[[Mapping[str, float]], None]
_CPU = torch.device("cpu")


class _EarlyStopError(Exception):
    """Training ended early; the argument is the trial's state."""


class _Features(NamedTuple):
    """Released features of attacker-train and attacker-select `[N, D]`."""

    attack: NDArray[np.float32]
    select: NDArray[np.float32]


def run(
    point: Mapping[str, Any],
    config: TuneConfig,
    base: TrainConfig,
    data: TrialData,
    seed: int,
    report_epoch: ReportEpoch = lambda losses: None,
    *,
    trunks: Trunks | None = None,
    device: torch.device = _CPU,
    threads: int = 1,
) -> dict[str, Any]:
    """Train, then attack the features, unless training stops early (`early_stop.py`).

    Args:
        point: Setting -> value.
        config, base: The search, and the settings that it does not vary.
        data: The records; `with_predictions` if the objective has `cross_fit`.
        seed: Of the weights, the order of the data and the attackers.
        report_epoch: Called with the mean losses of each epoch.
        trunks: Trunks that trials share; None: the trial trains its own.
        device: Where the extractor is trained.
        threads: Cores that it may use.

    Returns:
        `advantage` (of the strongest attack, over all private attributes) and `utility` (mean
        balanced accuracy of the tasks), each with `_low` and `_high`, one-sided 95 % bounds;
        `kept`, the mean share of what the raw record tells of a task; `seconds`; and `state`:
        `finished`, `diverged` or `hopeless`. A trial that stopped early has an advantage of 1, and
        0 for utility and kept.
    """
    torch.set_num_threads(threads)
    began = time.perf_counter()
    settings = trial_config(point, config, base, seed)
    shared = trunk_config(settings, base) if trunks else None
    limit = max(config.limits, default=0.0)
    try:
        if trunks and shared:
            trunk = trunks.get(shared, lambda: _fit(shared, data, limit, report_epoch, device))
            z = _train_head(settings, trunk, data, limit, report_epoch, device)
        else:
            z = _train(settings, data, limit, report_epoch, device)
    except _EarlyStopError as stopped:
        return {
            **_worst_scores(), "state": str(stopped), "seconds": time.perf_counter() - began
        }  # fmt: skip
    scores = _attack(z, config, data, seed, base.told)
    return {**scores, "state": FINISHED, "seconds": time.perf_counter() - began}


def fit_trunk(
    point: Mapping[str, Any], config: TuneConfig, base: TrainConfig, data: TrialData, seed: int,
    trunks: Trunks, device: torch.device = _CPU, threads: int = 1,
) -> None:  # fmt: skip
    """Train and cache the trunk of a point, unless it is cached; arguments as those of `run`.

    A trunk that cannot be trained is left to the trials, which report it.
    """
    torch.set_num_threads(threads)
    shared = trunk_config(trial_config(point, config, base, seed), base)
    limit = max(config.limits, default=0.0)
    try:
        if shared:
            trunks.get(shared, lambda: _fit(shared, data, limit, lambda losses: None, device))
    except _EarlyStopError:
        return


def _train(
    settings: TrainConfig, data: TrialData, limit: float, report: ReportEpoch, device: torch.device
) -> _Features:
    trainer = _trainer(settings, data, device)
    _run_epochs(trainer, trainer.epochs, data, limit, report)
    return _Features(trainer.features(data.attack), trainer.features(data.select))


def _fit(
    settings: TrainConfig, data: TrialData, limit: float, report: ReportEpoch, device: torch.device
) -> SharedTrunk:
    """Train a trunk and run it over everybody."""
    trainer = _trainer(settings, data, device)
    _run_epochs(trainer, trainer.schedule.epochs, data, limit, report)
    people = trunk_features(
        trainer.game, data.train, settings.seed, device, trainer.group, tuple(trainer.told)
    )
    whitened = cast(Extractor, trainer.game.extractor).whitened
    return SharedTrunk(
        *people.to(_CPU),
        batched_output(whitened, data.attack.x, device),
        batched_output(whitened, data.select.x, device),
    )  # fmt: skip


def _train_head(
    settings: TrainConfig, trunk: SharedTrunk, data: TrialData, limit: float, report: ReportEpoch,
    device: torch.device,
) -> _Features:  # fmt: skip
    trainer = _trainer(settings, data, device)
    trainer.skip_trunk(trunk.train)
    _run_epochs(trainer, trainer.epochs, data, limit, report)
    trainer.game.eval()
    extractor = cast(Extractor, trainer.game.extractor)

    def released(z0: torch.Tensor) -> torch.Tensor:
        return extractor.release(extractor.behind_trunk(z0))

    return _Features(
        *(batched_output(released, z0.numpy(), device).numpy() for z0 in trunk.attackers)
    )


def _trainer(settings: TrainConfig, data: TrialData, device: torch.device) -> Trainer:
    schema = data.schema
    return Trainer(
        settings.objective,
        settings.extractor,
        settings.schedule,
        InputSpec.of(schema),
        {name: schema.classes(name) for name in schema.private},
        seed=settings.seed,
        head=settings.head,
        told=settings.told_tasks("protected", schema),
        worker=WorkerContext(device=device),
        predictions=data.predictions,
    )


def _run_epochs(
    trainer: Trainer, epochs: int, data: TrialData, limit: float, report_epoch: ReportEpoch
) -> None:
    """Train up to this epoch.

    Raises:
        _EarlyStopError: Nothing will come of the trial.
    """
    while trainer.epoch < epochs:
        try:
            losses = trainer.train_epoch(data.train)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # not in its __all__
            # Matrices of features that are NaN cannot be decomposed.
            raise _EarlyStopError(DIVERGED) from None
        report_epoch(losses)
        if reason := stop_reason(losses, trainer.game.config, trainer.schedule, limit):
            raise _EarlyStopError(reason)


def _worst_scores() -> dict[str, float]:
    names = ("advantage", "advantage_low", "advantage_high")
    zero = ("utility", "utility_low", "utility_high", "kept")
    return {**dict.fromkeys(names, 1.0), **dict.fromkeys(zero, 0.0)}


def _attack(
    z: _Features, config: TuneConfig, data: TrialData, seed: int, told: Collection[str]
) -> dict[str, float]:
    """Scores of the strongest attack over all private attributes, and means over the tasks that
    were not told; over all where each was."""
    schema = data.schema
    unseen = tuple(name for name in schema.utility if name not in told) or schema.utility
    x = attack_inputs(data.attack.x, schema)

    def fit(attack: str, names: tuple[str, ...]) -> dict[str, Attacker]:
        known = TrainingSet(
            z=z.attack, labels={name: data.attack.labels[name] for name in names},
            classes={name: schema.classes(name) for name in names}, x=x,
        )  # fmt: skip
        return ATTACKS[attack].fit_targets(known, names, seed, 1)

    def score(name: str, attacker: Attacker) -> Interval:
        k, truth = schema.classes(name), data.select.labels[name]
        rows = balanced_sample(truth, data.select.person, k, config.seed)
        return interval(int((attacker.predict(z.select[rows]) == truth[rows]).sum()), len(rows))

    first, *others = config.attacks
    # One fit for everything: where the attack is a closed form, one costs what all do.
    fitted = fit(first, tuple(dict.fromkeys((*schema.private, *unseen))))
    scores = {name: [score(name, attacker)] for name, attacker in fitted.items()}
    for attack in others:
        for name, attacker in fit(attack, schema.private).items():
            scores[name].append(score(name, attacker))
    advantages = []
    for name in schema.private:
        best = max(scores[name], key=lambda s: s.value)
        guess = prior(schema.classes(name))
        advantages.append((best.value - guess, best.low - guess, best.high - guess))
    advantage, low, high = max(advantages)
    tasks = [scores[task][0] for task in unseen]
    utility = float(np.mean([task.value for task in tasks]))
    below = _mean_distance([task.value - task.low for task in tasks])
    above = _mean_distance([task.high - task.value for task in tasks])
    return {
        "advantage": advantage, "advantage_low": low, "advantage_high": high,
        "utility": utility,
        "utility_low": utility - below,
        "utility_high": min(1.0, utility + above),
        "kept": _kept(dict(zip(unseen, tasks, strict=True)), data),
    }  # fmt: skip


def _kept(tasks: Mapping[str, Interval], data: TrialData) -> float:
    """Mean share kept of the tasks that the raw record tells; NaN without any."""
    shares = [
        kept_share(tasks[name].value, ceiling, prior(data.schema.classes(name)))
        for name, ceiling in data.ceilings.items()
        if name in tasks
    ]
    return float(np.mean(shares)) if shares else math.nan


def _mean_distance(distances: list[float]) -> float:
    """Distance of a bound from a mean, given the distances of its parts' bounds (MOVER).

    The tasks are scored on much the same people, so the parts are not independent: the bound is a
    little wide if their errors are opposite, a little narrow if they are alike.
    """
    return math.hypot(*distances) / len(distances)
