"""The record itself: what an attacker gets where nothing is hidden, the ceiling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.baselines.base import Given, Method
from tiprdc.models.inputs import InputSpec, normaliser


class AsItIs(nn.Module):
    """Raw record -> what attackers of raw records read.

    Pictures keep their shape and their unit (grey levels), so that convolutional attackers lose
    nothing; columns are standardised and one-hot; texts are their token ids.
    """

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.read = nn.Identity() if spec.modality == "image" else normaliser(spec)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, *shape]` -> `[B, C, H, W]` float, `[B, W]` float or `[B, T]` int."""
        z: Tensor = self.read(x)
        return z if self.spec.modality == "text" else z.to(torch.float32)


class Raw(Method):
    """z = x."""

    name = "raw"
    sends_records = True
    exported = False

    def fit(self, given: Given) -> AsItIs:
        return AsItIs(InputSpec.of(given.schema)).eval()
