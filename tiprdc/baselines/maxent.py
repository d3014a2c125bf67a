"""MaxEnt-ARL: known task against adversaries whose entropy is maximised.

Source: Roy & Boddeti 2019 (MaxEnt-ARL).
"""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.training_loop import LossTerms, train_extractor
from tiprdc.models.extractor import Extractor


class MaxEnt(Method):
    """Keeps one task and brings adversaries to the uniform guess."""

    name = "maxent"
    knows_task = True

    def fit(self, inputs: FitInputs) -> Extractor:
        terms = LossTerms(task=True, confusion="entropy")
        return train_extractor(terms, inputs, method=self.name)
