"""Known task against adversaries that are to be unsure.

Source: Roy & Boddeti 2019 (MaxEnt-ARL).
"""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.training_loop import Aims, learn
from tiprdc.models.extractor import Extractor


class MaxEnt(Method):
    """Keeps one task, and makes adversaries answer at random."""

    name = "maxent"
    knows_task = True

    def fit(self, given: Given) -> Extractor:
        aims = Aims(task=True, hide="entropy")
        return learn(aims, given, method=self.name)
