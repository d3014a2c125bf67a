"""Local differential privacy: noise on each number of a record with a given epsilon.

The guarantee is for each input by itself: one colour value of a pixel, one column, one token. By
composition a record of n inputs has n * epsilon (`record_epsilon`), which for a picture is too
large to guarantee anything.

Source: Dwork et al. 2006 (Laplace); Kairouz et al. 2014 (randomised response).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.noise import Laplace, Noise, RandomisedResponse
from tiprdc.baselines.raw import RawFeatures
from tiprdc.errors import ConfigError
from tiprdc.models.inputs import InputSpec

CLIP = 3.0
"""A numeric column is clipped at this many standard deviations."""
_WHITE = 255.0


class BoundedRecord(nn.Module):
    """Raw record -> z; each input changes z by at most `sensitivity` in L1.

    Args:
        spec: What a record is.
    """

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec
        self.record = RawFeatures(spec)
        self.sensitivity = _WHITE if spec.modality == "image" else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Grey levels `[B, C, H, W]` in 0 to 255, columns `[B, W]`, or token ids `[B, T]`.

        A numeric column becomes a number in 0 to 1, a categorical one a one-hot block times 1/2,
        so that two categories differ by 1 in L1.
        """
        z: Tensor = self.record(x)
        if self.spec.modality == "table":
            count = sum(not column.categories for column in self.spec.columns)
            numeric = z[:, :count].clamp(-CLIP, CLIP) / (2 * CLIP) + 0.5
            return torch.cat([numeric, z[:, count:] / 2], dim=1)
        return z


class Dp(Method):
    """z = x with noise: every input is epsilon-locally differentially private."""

    name = "dp"
    sends_records = True
    exported = False

    def fit(self, inputs: FitInputs) -> BoundedRecord:
        if inputs.schema.modality == "audio":
            raise ConfigError(
                "dp", "recordings", "pictures, tables or texts: levels of a spectrogram have no"
                " bound", "leave dp out; noisy adds noise without a promise",
            )  # fmt: skip
        return BoundedRecord(InputSpec.of(inputs.schema)).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Noise:
        if spec.modality == "text":
            return RandomisedResponse(config.epsilon, spec.vocabulary_size)
        return Laplace(config.epsilon, BoundedRecord(spec).sensitivity)


def record_epsilon(spec: InputSpec, config: MethodsConfig) -> float:
    """Epsilon of a whole record, by composition over its inputs."""
    return config.epsilon * math.prod(spec.shape)
