"""The game without an adversary: every nat of z has its price, and nobody looks for u.

The critic is told u already: to keep it earns nothing and costs as much as anything else.

Source: Moyer et al. 2018; Gupta et al. 2021 (FCRL); tiprdc/objectives/bottleneck.py has the bound.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.train_game import play
from tiprdc.models.extractor import Extractor
from tiprdc.training.objective_config import ObjectiveConfig


class Bottleneck(Method):
    """Random features, N(m(x), 1), as cheap as they can be."""

    name = "bottleneck"

    def fit(self, given: Given) -> Extractor:
        return play(preset(given.config), given.config.schedule, given.plain())


def preset(config: MethodsConfig) -> ObjectiveConfig:
    """The rules with a price and nobody who looks for u."""
    return replace(
        config.objective, bottleneck=config.bottleneck, kernel_adversary=0.0, cross_fit=False,
        adversary_decoder=False, memory=0, adversaries=0, reconstruction=0.0,
    )  # fmt: skip
