"""The unprotected extractor: it hides nothing, and shows what protection costs."""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor


class Unprotected(Method):
    """The objective with a privacy weight of 0."""

    name = "unprotected"

    def fit(self, inputs: FitInputs) -> Extractor:
        objective = inputs.config.objective.unprotected()
        return train(objective, inputs.config.schedule, inputs.unprotected())
