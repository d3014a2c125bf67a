"""Features of an autoencoder: small, and made to keep everything; nothing is hidden on purpose."""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.training_loop import Aims, learn
from tiprdc.models.extractor import Extractor


class Encoder(Method):
    """z from which a decoder rebuilds the record."""

    name = "encoder"
    knows_task = False

    def fit(self, given: Given) -> Extractor:
        aims = Aims(keep_record=True)
        return learn(aims, given, method=self.name)
