"""Trainers small enough for tests, and comparison of their states."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.trainer import Trainer

MakeTrainer = Callable[..., Trainer]
BOTTLENECK = ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0, memory=0)


def assert_same_state(actual: Trainer, expected: Trainer) -> None:
    """All weights and buffers are equal bit for bit."""
    state = actual.game.state_dict()
    for name, tensor in expected.game.state_dict().items():
        assert torch.equal(tensor, state[name]), name
