"""Our own method with the comparison's objective."""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor


class Tiprdc(Method):
    """The method of docs/method.md."""

    name = "ours"

    def fit(self, inputs: FitInputs) -> Extractor:
        return train(inputs.config.objective, inputs.config.schedule, inputs)
