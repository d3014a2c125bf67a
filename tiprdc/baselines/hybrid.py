"""Few principal components of an encoder's features, with noise.

Source: Osia et al. 2017 (hybrid deep architecture): a network is cut in two, the features at the
cut are reduced by PCA and sent with noise. Theirs is fine-tuned for a known task by a Siamese
loss; here the encoder is an autoencoder's, so that the later task stays unknown.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.encoder import Encoder
from tiprdc.baselines.noise import Gaussian
from tiprdc.models.inputs import FeatureMaker, InputSpec


class Hybrid(Method):
    """z = standardised principal components + noise."""

    name = "hybrid"
    exported = False

    def fit(self, given: Given) -> Affine:
        encoder = Encoder().fit(given)
        z = _features_of(encoder, torch.from_numpy(given.records.x))
        mean = z.mean(0)
        _, strength, axes = torch.linalg.svd(z - mean, full_matrices=False)
        count = min(given.config.components, len(strength))
        std = (strength[:count] / len(z) ** 0.5).clamp(min=1e-9)
        return Affine(encoder, axes[:count].T / std, mean).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.component_noise)


class Affine(nn.Module):
    """Features of another network, moved by one affine map: `(z - mean) @ weight`.

    Args:
        extractor: Makes z `[B, D]`.
        weight: `[D, P]`.
        mean: `[D]`, the point that is subtracted.
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


def _features_of(extractor: FeatureMaker, x: Tensor) -> Tensor:
    """z `[N, D]` in double precision of records `[N, *shape]`."""
    with torch.inference_mode():
        parts = [extractor(part) for part in torch.split(x, 1024)]
    # Out of inference mode, so that it may be a buffer of a module.
    return torch.cat(parts).double().clone()
