"""Which training worker this is, and on which device it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass(frozen=True)
class WorkerContext:
    """One training worker among several.

    Args:
        rank: Number of this worker, 0 to world - 1.
        world: Number of workers.
        device: Where its tensors are.
        wrap: Makes a module synchronise gradients with the other workers.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module


SINGLE_WORKER = WorkerContext()
"""A single worker on the CPU."""
