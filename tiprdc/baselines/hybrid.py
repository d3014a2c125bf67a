"""A few principal components of an autoencoder's features, with noise.

Source: Osia et al. 2017 (hybrid deep architecture): a network is cut in two; the features at the
cut are reduced by PCA and released with noise. They fine-tune for a known task by a Siamese loss;
here the network is the encoder of an autoencoder, so that the later task stays unknown.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.encoder import Encoder
from tiprdc.baselines.noise import Gaussian
from tiprdc.baselines.unprotected_features import features
from tiprdc.models.inputs import FeatureMaker, InputSpec


class Hybrid(Method):
    """z = standardised principal components + noise."""

    name = "hybrid"
    exported = False

    def fit(self, inputs: FitInputs) -> AffineFeatures:
        encoder = Encoder().fit(inputs)
        z = features(encoder, inputs.records.x)
        mean = z.mean(0)
        _, strength, axes = torch.linalg.svd(z - mean, full_matrices=False)
        count = min(inputs.config.components, len(strength))
        std = (strength[:count] / len(z) ** 0.5).clamp(min=1e-9)
        return AffineFeatures(encoder, axes[:count].T / std, mean).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.component_noise)


class AffineFeatures(nn.Module):
    """An affine map of another network's features: `(z - mean) @ weight`.

    Args:
        extractor: Maps records to z `[B, D]`.
        weight: `[D, P]`.
        mean: `[D]`, subtracted from z.
    """

    weight: Tensor
    mean: Tensor

    def __init__(self, extractor: FeatureMaker, weight: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.spec, self.extractor = extractor.spec, extractor
        self.register_buffer("weight", weight.float())
        self.register_buffer("mean", mean.float())

    def forward(self, x: Tensor) -> Tensor:
        """Raw records `[B, *shape]` -> `[B, P]`."""
        z: Tensor = (self.extractor(x) - self.mean) @ self.weight
        return z
