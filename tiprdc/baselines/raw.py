"""The record itself as features: the upper limit for attackers and tasks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.models.inputs import InputSpec, normaliser


class RawFeatures(nn.Module):
    """Raw record -> the representation that attackers of raw records read.

    Pictures keep shape and unit (grey levels), so that convolutional attackers lose nothing;
    columns are standardised and one-hot; texts are token ids.
    """

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.normalise = nn.Identity() if spec.modality == "image" else normaliser(spec)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, *shape]` -> `[B, C, H, W]` float, `[B, W]` float or `[B, T]` int."""
        z: Tensor = self.normalise(x)
        return z if self.spec.modality == "text" else z.to(torch.float32)


class Raw(Method):
    """z = x."""

    name = "raw"
    sends_records = True
    exported = False

    def fit(self, inputs: FitInputs) -> RawFeatures:
        return RawFeatures(InputSpec.of(inputs.schema)).eval()
