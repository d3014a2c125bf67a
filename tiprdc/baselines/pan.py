"""Known task against two adversaries: one looks for the attribute, one rebuilds the record.

Source: Liu et al. 2020 (PAN, arXiv 2006.06535): features are to hold what the known
task needs and nothing else. The weights and networks are ours.
"""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.training_loop import Aims, learn
from tiprdc.models.extractor import Extractor


class Pan(Method):
    """Keeps one task and nothing else."""

    name = "pan"
    knows_task = True

    def fit(self, given: Given) -> Extractor:
        aims = Aims(task=True, hide="cross_entropy", forget_record="squares")
        return learn(aims, given, method=self.name)
