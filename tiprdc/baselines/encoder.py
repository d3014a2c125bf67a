"""Features of an autoencoder: they keep as much as possible, and nothing is hidden on purpose."""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.training_loop import LossTerms, train_extractor
from tiprdc.models.extractor import Extractor


class Encoder(Method):
    """z from which a decoder reconstructs the record."""

    name = "encoder"
    knows_task = False

    def fit(self, inputs: FitInputs) -> Extractor:
        terms = LossTerms(autoencoder=True)
        return train_extractor(terms, inputs, method=self.name)
