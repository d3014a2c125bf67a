"""Few principal components of an encoder's features, with noise.

Source: Osia et al. 2017 (hybrid deep architecture): a network is cut in two, the features at the
cut are reduced by PCA and sent with noise. Theirs is fine-tuned for a known task by a Siamese
loss; here the encoder is an autoencoder's, so that the later task stays unknown.
"""

from __future__ import annotations

import torch

from tiprdc.baselines.encoder import Encoder
from tiprdc.baselines.leace import Affine, features_of
from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.baselines.noise import Gaussian
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.inputs import InputSpec


class Hybrid(Method):
    """z = standardised principal components + noise."""

    name = "hybrid"
    exported = False

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Affine:
        encoder = Encoder().fit(records, schema, config, seed, report)
        z = features_of(encoder, torch.from_numpy(records.x))
        mean = z.mean(0)
        _, strength, axes = torch.linalg.svd(z - mean, full_matrices=False)
        count = min(config.components, len(strength))
        std = (strength[:count] / len(z) ** 0.5).clamp(min=1e-9)
        return Affine(encoder, axes[:count].T / std, mean, torch.zeros(count)).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.component_noise)
