"""The records of a search, and what is fitted on them once for all of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.attacks.suite import raw_attacks, try_attack
from tiprdc.datasets.schema import Records, Schema, read_schema, read_split, searched_records
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.statistics.binomial import prior
from tiprdc.training.out_of_fold import Predictions, predict_out_of_fold


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
