"""The objective with lambda = 1: features are hidden from adversaries, and nothing is kept.

The critic still learns, but its gradient into z is multiplied by 1 - lambda. It does not reach the
extractor once the pressure is full; the pressure rises over the first epoch.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig


class AdversarialOnly(Method):
    """The trunk's adversaries without the critic."""

    name = "adversarial_only"

    def fit(self, inputs: FitInputs) -> Extractor:
        objective, schedule = preset(inputs.config)
        return train(objective, schedule, inputs)


def preset(config: MethodsConfig) -> tuple[ObjectiveConfig, ScheduleConfig]:
    """The objective with lambda = 1 and no bottleneck, and a schedule without warm-up."""
    objective = replace(config.objective, privacy_weight=1.0, bottleneck=0.0)
    return objective, replace(config.schedule, warm_up=0.0)
