"""Our own method, with settings of its own: the other methods have networks that are trained."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.train_game import train
from tiprdc.models.extractor import Extractor


class Tiprdc(Method):
    """The method of docs/method.md."""

    name = "ours"

    def fit(self, inputs: FitInputs) -> Extractor:
        ours = inputs.config.ours
        config = structs.replace(inputs.config, extractor=ours.extractor)
        inputs = replace(inputs, config=config)
        return train(ours.objective, ours.schedule, inputs, head=ours.head)
