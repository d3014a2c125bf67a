"""Known task against adversaries that are to be unsure.

Source: Roy & Boddeti 2019 (MaxEnt-ARL).
"""

from __future__ import annotations

from tiprdc.baselines.loop import Aims, learn
from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.extractor import Extractor


class MaxEnt(Method):
    """Keeps one task, and makes adversaries answer at random."""

    name = "maxent"
    knows_task = True

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Extractor:
        aims = Aims(task=True, hide="entropy")
        return learn(aims, records, schema, config, method=self.name, seed=seed, report=report)
