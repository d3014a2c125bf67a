"""Trainers small enough for tests, and comparison of their states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.coarse_record import coarse_width
from tiprdc.models.inputs import InputSpec
from tiprdc.training import checkpoint
from tiprdc.training.head.trunk_features import TrunkFeatures
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.trainer import Trainer

MakeTrainer = Callable[..., Trainer]
BOTTLENECK = ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0, memory=0)


def finish(trainer: Trainer, records: Records, last: int | None = None) -> Trainer:
    """Train to the end, or up to an epoch."""
    while trainer.epoch < (trainer.epochs if last is None else last):
        trainer.train_epoch(records)
    return trainer


def without_records(z0: Tensor, known: Tensor, schema: Schema) -> TrunkFeatures:
    """Planted features and labels, of records that say nothing."""
    return TrunkFeatures(z0, known, torch.zeros(len(z0), coarse_width(InputSpec.of(schema))))


def resume(make: MakeTrainer, records: Records, stop: int, folder: Path) -> Trainer:
    """Train up to an epoch, save in `folder`, and go on to the end with a new trainer."""
    checkpoint.save(finish(make(), records, stop), folder)
    resumed = make()
    checkpoint.load(resumed, folder)
    return finish(resumed, records)


def assert_same_state(actual: Trainer, expected: Trainer) -> None:
    """All weights and buffers are equal bit for bit."""
    state = actual.game.state_dict()
    for name, tensor in expected.game.state_dict().items():
        assert torch.equal(tensor, state[name]), name
