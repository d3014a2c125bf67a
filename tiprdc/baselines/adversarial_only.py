"""The game with lambda = 1: everything is hidden from adversaries and nothing asks to be kept.

The critic still learns, but the way back from it into z is multiplied by 1 - lambda, so that
the extractor does not hear it once the pressure is full: it rises over the first epoch.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.train_game import play
from tiprdc.models.extractor import Extractor
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig


class AdversarialOnly(Method):
    """Our adversaries without the critic."""

    name = "adversarial_only"

    def fit(self, given: Given) -> Extractor:
        game, schedule = preset(given.config)
        return play(game, schedule, given)


def preset(config: MethodsConfig) -> tuple[ObjectiveConfig, ScheduleConfig]:
    """The rules with lambda = 1, no price, and no warm-up."""
    game = replace(config.objective, privacy_weight=1.0, bottleneck=0.0)
    return game, replace(config.schedule, warm_up=0.0)
