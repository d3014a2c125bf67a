"""The objective with a price on every nat of z and without adversaries.

The critic knows u: information about u in z gains nothing and costs its price.

Source: Moyer et al. 2018; Gupta et al. 2021 (FCRL); tiprdc/objectives/bottleneck.py has the bound.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor
from tiprdc.training.objective_config import ObjectiveConfig


class Bottleneck(Method):
    """Random features z ~ N(m(x), 1) with the least KL divergence."""

    name = "bottleneck"

    def fit(self, inputs: FitInputs) -> Extractor:
        return train(preset(inputs.config), inputs.config.schedule, inputs.unprotected())


def preset(config: MethodsConfig) -> ObjectiveConfig:
    """The objective with a bottleneck and without adversaries."""
    return replace(
        config.objective, bottleneck=config.bottleneck, kernel_adversary=0.0, cross_fit=False,
        adversary_decoder=False, memory=0, adversaries=0, reconstruction=0.0,
    )  # fmt: skip
