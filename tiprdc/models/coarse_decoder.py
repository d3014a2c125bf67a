"""A decoder of the coarse content of a record, whose output the kernel adversary reads.

An attacker with pairs of records and features learns to reconstruct records from features, without
labels, and reads the attribute from the reconstruction (tiprdc/attacks/families/decoding.py). A
record gives many numbers to learn from, a label one: this attack finds more than direct attacks on
the same number of people. An adversary in training therefore needs the same reconstruction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.coarse_record import coarse_record, coarse_width
from tiprdc.models.inputs import Columns, InputSpec, grey_levels
from tiprdc.models.trunks.mlp import perceptron

_HIDDEN = 256
_DECODED = 32
"""Rows and columns of a picture in the loss: what is finer than the output is only learnt from."""


class CoarseDecoder(nn.Module):
    """Features `[B, D]` -> coarse colours of a picture or spectrogram, or a table's columns,
    `[B, width]`.

    Args:
        spec: What a record is: a picture, a recording or a row of a table.
        features: D.

    Raises:
        ConfigError: Records are texts.
    """

    def __init__(self, spec: InputSpec, features: int) -> None:
        super().__init__()
        if spec.modality == "text":
            raise ConfigError(
                "train.objective.adversary_decoder", "true, but the records are texts",
                "true for pictures and tables only: a reconstructed text is as wide as its"
                " vocabulary", "set adversary_decoder to false",
            )  # fmt: skip
        self.columns = Columns(spec.columns) if spec.modality == "table" else None
        self.levels = grey_levels(spec)
        channels, *sides = spec.picture or (1, 1, 1)
        self.picture = (channels, *(min(side, _DECODED) for side in sides))
        self.width = coarse_width(spec)
        decoded = self.width if self.columns else math.prod(self.picture)
        self.network = perceptron(features, _HIDDEN, decoded, hidden=2)

    def forward(self, z: Tensor) -> Tensor:
        """The reconstruction from features `[B, D]`, of about unit variance `[B, width]`."""
        output: Tensor = self.network(z)
        return output if self.columns else coarse_record(output.view(-1, *self.picture))

    def loss(self, z: Tensor, x: Tensor) -> Tensor:
        """Mean squared error of the full reconstruction, a scalar >= 0.

        Args:
            z: Features `[B, D]`.
            x: Records `[B, *shape]`.
        """
        loss: Tensor = (self.network(z) - self._target(x)).square().mean()
        return loss

    @torch.no_grad()
    def _target(self, x: Tensor) -> Tensor:
        if self.columns:
            columns: Tensor = self.columns(x)
            return columns
        return 4 * (coarse_record(self.levels(x).float() / 255, _DECODED) - 0.5)
