"""A multilayer perceptron for tables."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.datasets.schema import Column
from tiprdc.models.trunks.trunk_output import TrunkOutput


class Mlp(nn.Module):
    """Normalised columns `[B, W]` -> `TrunkOutput`: each column by itself, and one vector.

    Args:
        columns: The table's columns; their one-hot blocks make up W.
        width: Width of the hidden layers.
        out: Width of the vector.
    """

    def __init__(self, columns: tuple[Column, ...], width: int, out: int) -> None:
        super().__init__()
        numeric = [1 for c in columns if not c.categories]
        self.blocks = numeric + [len(c.categories) + 1 for c in columns if c.categories]
        self.local_width, self.positions = max(self.blocks), len(self.blocks)
        self.global_ = nn.Sequential(
            perceptron(sum(self.blocks), width, width), nn.ReLU(), nn.Linear(width, out)
        )

    @property
    def out(self) -> nn.Linear:
        """The last layer of the vector."""
        return cast(nn.Linear, self.global_[-1])

    def forward(self, x: Tensor) -> TrunkOutput:
        blocks = torch.split(x, self.blocks, dim=1)
        local = [F.pad(block, (0, self.local_width - block.shape[1])) for block in blocks]
        return TrunkOutput(local=torch.stack(local, dim=1), mask=None, global_=self.global_(x))


def perceptron(width_in: int, width: int, out: int, *, hidden: int = 1) -> nn.Sequential:
    """Linear layers with ReLU between them: `[B, width_in] -> [B, out]`."""
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [nn.Linear(width_in, width), nn.ReLU()]
        width_in = width
    return nn.Sequential(*layers, nn.Linear(width_in, out))
