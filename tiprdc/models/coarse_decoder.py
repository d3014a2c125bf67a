"""What is most plainly to be seen of a record, rebuilt from its features.

Whoever holds records beside features learns to rebuild the one from the other, without a label, and
reads the attribute off what was rebuilt (tiprdc/attacks/decoding.py). Each record teaches many
numbers, a label one, so that this finds what direct attacks on as many people do not. An adversary
that is to see what they see has to look at the same.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.inputs import Columns, InputSpec
from tiprdc.models.mlp import perceptron

_HIDDEN = 256
_REBUILT, _READ = 32, 8
"""Rows and columns of a picture that are rebuilt, and of those that are read: finer ones are only
there to learn from."""


class CoarseDecoder(nn.Module):
    """Features `[B, D]` -> a picture's coarse colours, or a table's columns, `[B, width]`.

    Args:
        spec: What a record is: a picture or a row of a table.
        features: D.

    Raises:
        ConfigError: Records are texts.
    """

    def __init__(self, spec: InputSpec, features: int) -> None:
        super().__init__()
        if spec.modality == "text":
            raise ConfigError(
                "train.objective.adversary_decoder",
                "true, and the records are texts",
                "true for pictures and"
                " tables: what is rebuilt of a text is as wide as its vocabulary",
                "set adversary_decoder to false",
            )
        self.columns = Columns(spec.columns) if spec.modality == "table" else None
        self.picture = spec.shape[:1] + tuple(min(side, _REBUILT) for side in spec.shape[1:])
        self.grid = tuple(min(side, _READ) for side in spec.shape[1:])
        self.width = self.columns.width if self.columns else spec.shape[0] * math.prod(self.grid)
        rebuilt = self.columns.width if self.columns else math.prod(self.picture)
        self.network = perceptron(features, _HIDDEN, rebuilt, hidden=2)

    def forward(self, z: Tensor) -> Tensor:
        """What is rebuilt from features `[B, D]`, of about unit variance `[B, width]`."""
        made: Tensor = self.network(z)
        return made if self.columns else _coarse(made.view(-1, *self.picture), self.grid)

    def lost(self, z: Tensor, x: Tensor) -> Tensor:
        """How far what is rebuilt, in full, is from the true one: the mean square, a scalar >= 0.

        Args:
            z: Features `[B, D]`.
            x: Records `[B, *shape]`.
        """
        loss: Tensor = (self.network(z) - self._plainly(x)).square().mean()
        return loss

    @torch.no_grad()
    def _plainly(self, x: Tensor) -> Tensor:
        if self.columns:
            seen: Tensor = self.columns(x)
            return seen
        return 4 * (_coarse(x.float() / 255, self.picture[1:]) - 0.5)


def _coarse(pictures: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Mean colours `[B, C * rows * columns]` of pictures `[B, C, H, W]`."""
    rows, columns = grid
    return F.adaptive_avg_pool2d(pictures, (rows, columns)).flatten(1)
