"""Run one trial of a search in this process: train with its settings, then attack the features.

Attackers are trained from scratch on attacker-train and scored on attacker-select; attacker-test
stays closed. Privacy and utility are measured as in the audit: balanced accuracy on a balanced
sample.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.search.early_stop import stop_reason
from pipelines.search.space import TuneConfig, trial_head, trial_settings
from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.attacks.suite import ATTACKS, raw_attacks, try_attack
from tiprdc.datasets.schema import Records, Schema, read_schema, read_split, searched_records
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.statistics.binomial import Interval, interval, prior
from tiprdc.statistics.sampling import balanced_sample
from tiprdc.statistics.scores import kept_share
from tiprdc.training.config import TrainConfig
from tiprdc.training.out_of_fold import Predictions, predict_out_of_fold
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext

FINISHED, DIVERGED, HOPELESS = "finished", "diverged", "hopeless"
"""States in which a trial ends by itself."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrialData:
    """The records of every trial.

    Args:
        schema: Of the shards.
        train: For the extractor.
        attack: For the attackers.
        select: To score the attackers.
        predictions: Private attribute -> out-of-fold predictions for `train`.
        ceilings: Task -> balanced accuracy on the raw record, of the tasks that it tells.
    """

    schema: Schema
    train: Records
    attack: Records
    select: Records
    predictions: Predictions = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)

    def with_predictions(self, seed: int) -> TrialData:
        """The same with out-of-fold predictions: fitted once, for all trials."""
        private = {name: self.schema.classes(name) for name in self.schema.private}
        spec = InputSpec.of(self.schema)
        predictions = predict_out_of_fold(self.train, spec, private, cross_fit, seed)
        return replace(self, predictions=predictions)

    def with_ceilings(self, seed: int) -> TrialData:
        """The same with what the raw record tells of each task: probed once, for all trials."""
        schema, tasks = self.schema, self.schema.utility
        data = TrainingSet(
            z=attack_inputs(self.attack.x, schema), labels=self.attack.labels,
            classes={name: schema.classes(name) for name in tasks},
        )  # fmt: skip
        x, labels = attack_inputs(self.select.x, schema), self.select.labels
        best = {name: prior(schema.classes(name)) for name in tasks}
        for attack in raw_attacks(schema.modality, len(self.attack)):
            for name, probe in try_attack(attack, data, tasks, x, labels, seed).items():
                best[name] = max(best[name], probe.select or 0.0)
        told = {n: value for n, value in best.items() if value > prior(schema.classes(n))}
        return replace(self, ceilings=told)


def read_data(shards: Path, people: int) -> TrialData:
    """The first `people` records of extractor-train and attacker-train, and attacker-select.

    Of attacker-train at most half: certificates are made on people that no search attacked.
    """
    schema = read_schema(shards)
    attackers = read_split(shards, schema, "attacker-train")
    return TrialData(
        schema,
        train=_first(read_split(shards, schema, "extractor-train"), people),
        attack=_first(attackers, min(people, searched_records(len(attackers)))),
        select=read_split(shards, schema, "attacker-select"),
    )


def _first(records: Records, count: int) -> Records:
    return records.take(np.arange(min(count, len(records))))


def run(
    point: Mapping[str, Any],
    config: TuneConfig,
    base: TrainConfig,
    data: TrialData,
    seed: int,
    report_epoch: Callable[[Mapping[str, float]], None] = lambda losses: None,
    *,
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
    schema = data.schema
    objective, extractor, schedule = trial_settings(point, config, base)
    private = {name: schema.classes(name) for name in schema.private}
    trainer = Trainer(
        objective,
        extractor,
        schedule,
        InputSpec.of(schema),
        private,
        seed=seed,
        head=trial_head(config, base),
        worker=WorkerContext(device=device),
        predictions=data.predictions,
    )
    while trainer.epoch < trainer.epochs:
        try:
            losses = trainer.train_epoch(data.train)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # not in its __all__
            # Matrices of features that are NaN cannot be decomposed.
            reason = DIVERGED
        else:
            report_epoch(losses)
            reason = stop_reason(losses, objective, schedule, max(config.limits, default=0.0))
        if reason:
            return {**_worst_scores(), "state": reason, "seconds": time.perf_counter() - began}
    scores = _attack(trainer, config, data, seed)
    return {**scores, "state": FINISHED, "seconds": time.perf_counter() - began}


def _worst_scores() -> dict[str, float]:
    names = ("advantage", "advantage_low", "advantage_high")
    zero = ("utility", "utility_low", "utility_high", "kept")
    return {**dict.fromkeys(names, 1.0), **dict.fromkeys(zero, 0.0)}


def _attack(trainer: Trainer, config: TuneConfig, data: TrialData, seed: int) -> dict[str, float]:
    """Scores of the strongest attack over all private attributes, and means over the tasks."""
    schema = data.schema
    z, z_select = trainer.features(data.attack), trainer.features(data.select)
    x = attack_inputs(data.attack.x, schema)

    def score(name: str, attack: str) -> Interval:
        k, labels = schema.classes(name), {name: data.attack.labels[name]}
        known = TrainingSet(z=z, labels=labels, classes={name: k}, x=x)
        attacker = ATTACKS[attack].fit_targets(known, (name,), seed, 1)[name]
        truth = data.select.labels[name]
        rows = balanced_sample(truth, data.select.person, k, config.seed)
        return interval(int((attacker.predict(z_select[rows]) == truth[rows]).sum()), len(rows))

    advantages = []
    for name in schema.private:
        best = max((score(name, attack) for attack in config.attacks), key=lambda s: s.value)
        guess = prior(schema.classes(name))
        advantages.append((best.value - guess, best.low - guess, best.high - guess))
    advantage, low, high = max(advantages)
    tasks = [score(task, config.attacks[0]) for task in schema.utility]
    utility = float(np.mean([task.value for task in tasks]))
    below = _mean_distance([task.value - task.low for task in tasks])
    above = _mean_distance([task.high - task.value for task in tasks])
    return {
        "advantage": advantage, "advantage_low": low, "advantage_high": high,
        "utility": utility,
        "utility_low": utility - below,
        "utility_high": min(1.0, utility + above),
        "kept": _kept(dict(zip(schema.utility, tasks, strict=True)), data),
    }  # fmt: skip


def _kept(tasks: Mapping[str, Interval], data: TrialData) -> float:
    """Mean share kept of the tasks that the raw record tells; NaN without any."""
    shares = [
        kept_share(tasks[name].value, ceiling, prior(data.schema.classes(name)))
        for name, ceiling in data.ceilings.items()
    ]
    return float(np.mean(shares)) if shares else math.nan


def _mean_distance(distances: list[float]) -> float:
    """Distance of a bound from a mean, given the distances of its parts' bounds (MOVER).

    The tasks are scored on much the same people, so the parts are not independent: the bound is a
    little wide if their errors are opposite, a little narrow if they are alike.
    """
    return math.hypot(*distances) / len(distances)
