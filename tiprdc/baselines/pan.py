"""PAN: known task against an attribute adversary and a decoder of the record.

Source: Liu et al. 2020 (PAN, arXiv 2006.06535): features keep what the known task needs and nothing
else. The weights and networks are ours.
"""

from __future__ import annotations

from tiprdc.baselines.base import FitInputs, Method
from tiprdc.baselines.training_loop import LossTerms, train_extractor
from tiprdc.models.extractor import Extractor


class Pan(Method):
    """Keeps one task and nothing else."""

    name = "pan"
    knows_task = True

    def fit(self, inputs: FitInputs) -> Extractor:
        terms = LossTerms(task=True, confusion="cross_entropy", opposed_decoder="squares")
        return train_extractor(terms, inputs, method=self.name)
