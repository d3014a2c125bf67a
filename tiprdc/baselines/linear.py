"""Linear features of the record with Gaussian noise: what any trained method must beat.

`pca` sends whitened principal components of the record, `pca_leace` the same after linear erasure
of the private attributes, `projection` a Gaussian random projection. No network is trained.

Source: tiprdc/models/linear_noise.py has the maps; Belrose et al. 2023 (LEACE).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.noise import Gaussian
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.models.linear_noise import Alternative, LinearMethod, fit_alternative


class LinearFeatures(nn.Module):
    """Raw records `[B, *spec.shape]` -> features of a fitted alternative `[B, P]`, no noise.

    Args:
        spec: What a record is.
        alternative: Fitted on extractor-train.
    """

    def __init__(self, spec: InputSpec, alternative: Alternative) -> None:
        super().__init__()
        self.spec, self.alternative = spec, alternative

    def forward(self, x: Tensor) -> Tensor:
        inputs = attack_inputs(x.cpu().numpy(), self.spec)
        return torch.from_numpy(self.alternative.features(inputs)).to(x.device)


class Linear(Method):
    """A trivial alternative as a method.

    Args:
        name: As in `methods` of the comparison's params.yaml.
        method: The linear map.
    """

    exported = False

    def __init__(self, name: str, method: LinearMethod) -> None:
        self.name, self.method = name, method

    def fit(self, inputs: FitInputs) -> LinearFeatures:
        schema, records = inputs.schema, inputs.records
        u = np.stack([records.labels[name] for name in schema.private], axis=1)
        alternative = fit_alternative(
            self.method, attack_inputs(records.x, schema), inputs.config.linear_features, u,
            [schema.classes(name) for name in schema.private], inputs.seed,
        )  # fmt: skip
        return LinearFeatures(InputSpec.of(schema), alternative).eval()

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Gaussian:
        return Gaussian(config.linear_noise)
