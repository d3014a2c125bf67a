"""One trial: train these settings, and let fresh attackers judge. No Ray here.

The judges are trained from scratch on attacker-train and scored on attacker-select; attacker-test
stays closed. Privacy and utility are those of the audit: balanced accuracy on a balanced sample.
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

from pipelines.search.space import TuneConfig, chosen
from pipelines.training.run import TrainConfig
from tiprdc.attacks.cross_fitting import OutOfFoldPredictions, cross_fit
from tiprdc.attacks.record_attack import RecordAttack
from tiprdc.attacks.suite import ATTACKS
from tiprdc.datasets.schema import Records, Schema, read_schema, read_split
from tiprdc.models.inputs import InputSpec, as_attacked
from tiprdc.statistics.binomial import Interval, balanced_sample, interval, prior
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext


@dataclass(frozen=True)
class Data:
    """What trials learn from, are attacked with and are judged on."""

    schema: Schema
    learn: Records
    attack: Records
    select: Records
    beliefs: Mapping[str, OutOfFoldPredictions] = field(default_factory=dict)

    def believing(self, seed: int) -> Data:
        """The same, with what is believed of those it learns from: once, for all trials."""
        seen = replace(self.learn, x=as_attacked(self.learn.x, self.schema))
        found = {
            name: cross_fit(seen, name, self.schema.classes(name), seed)
            for name in self.schema.private
        }
        return replace(self, beliefs=found)

    def cross_fit(
        self, records: Records, name: str, classes: int, seed: int
    ) -> OutOfFoldPredictions:
        """What a trainer is told who asks (tiprdc.training.out_of_fold.CrossFit)."""
        return self.beliefs[name]


def read_data(shards: Path, people: int) -> Data:
    """The records of every trial: the first `people` of extractor-train and of attacker-train."""
    schema = read_schema(shards)
    return Data(
        schema,
        learn=_first(read_split(shards, schema, "extractor-train"), people),
        attack=_first(read_split(shards, schema, "attacker-train"), people),
        select=read_split(shards, schema, "attacker-select"),
    )


def _first(records: Records, count: int) -> Records:
    return records.take(np.arange(min(count, len(records))))


def run(
    point: Mapping[str, Any],
    config: TuneConfig,
    base: TrainConfig,
    data: Data,
    seed: int,
    played: Callable[[int], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train, and judge unless training came to NaN.

    Args:
        point: Setting -> value.
        config, base: The search, and what it does not vary.
        data: The records; `believing` if the rules say `cross_fit`.
        seed: Of the weights, the order of the data and the attackers.
        played: Told after each epoch.

    Returns:
        `advantage` (of the strongest attack, over all private attributes) and `utility` (mean
        balanced accuracy of the tasks), each with `_low` and `_high`, one-sided 95 % bounds;
        `seconds`; and `diverged`, with an advantage of 1 and a utility of 0, where a loss was no
        number.
    """
    torch.set_num_threads(1)
    began = time.perf_counter()
    schema = data.schema
    game, extractor, schedule = chosen(point, config, base)
    private = {name: schema.classes(name) for name in schema.private}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(
        game,
        extractor,
        schedule,
        InputSpec.of(schema),
        private,
        seed=seed,
        worker=WorkerContext(device=device),
        cross_fit=data.cross_fit,
    )
    while trainer.epoch < schedule.epochs:
        losses = trainer.train_epoch(data.learn)
        played(trainer.epoch)
        if not all(math.isfinite(value) for value in losses.values()):
            return {**_worst(), "diverged": True, "seconds": time.perf_counter() - began}
    judged = _judge(trainer, config, data, seed)
    return {**judged, "diverged": False, "seconds": time.perf_counter() - began}


def _worst() -> dict[str, float]:
    names = ("advantage", "advantage_low", "advantage_high")
    return {**dict.fromkeys(names, 1.0), "utility": 0.0, "utility_low": 0.0, "utility_high": 0.0}


def _judge(trainer: Trainer, config: TuneConfig, data: Data, seed: int) -> dict[str, float]:
    """The strongest attack over all private attributes, and the mean over the unseen tasks."""
    schema = data.schema
    z, z_select = trainer.features(data.attack), trainer.features(data.select)
    held = as_attacked(data.attack.x, schema)

    def score(name: str, attack: str) -> Interval:
        k, labels = schema.classes(name), data.attack.labels[name]
        one = ATTACKS[attack]
        if isinstance(one, RecordAttack):
            one = one.with_records(held)
        attacker = one.fit(z, labels, k, seed, 1)
        truth = data.select.labels[name]
        rows = balanced_sample(truth, data.select.person, k, config.seed)
        return interval(int((attacker.decide(z_select[rows]) == truth[rows]).sum()), len(rows))

    found = []
    for name in schema.private:
        best = max((score(name, attack) for attack in config.attacks), key=lambda s: s.value)
        guess = prior(schema.classes(name))
        found.append((best.value - guess, best.low - guess, best.high - guess))
    advantage, low, high = max(found)
    tasks = [score(task, config.attacks[0]) for task in schema.utility]
    utility = float(np.mean([task.value for task in tasks]))
    return {
        "advantage": advantage, "advantage_low": low, "advantage_high": high,
        "utility": utility,
        "utility_low": utility - _of_mean([task.value - task.low for task in tasks]),
        "utility_high": min(1.0, utility + _of_mean([task.high - task.value for task in tasks])),
    }  # fmt: skip


def _of_mean(distances: list[float]) -> float:
    """Distance of a bound of a mean from the distances of its parts' bounds (MOVER).

    The tasks are scored on much the same people, so the parts are not independent: a little wide
    where they err in opposite ways, a little narrow where they err together.
    """
    return math.hypot(*distances) / len(distances)
