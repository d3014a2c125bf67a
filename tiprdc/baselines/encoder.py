"""Features of an autoencoder: small, and made to keep everything; nothing is hidden on purpose."""

from __future__ import annotations

from tiprdc.baselines.loop import Aims, learn
from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.extractor import Extractor


class Encoder(Method):
    """z from which a decoder rebuilds the record."""

    name = "encoder"
    knows_task = False

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Extractor:
        aims = Aims(keep_record=True)
        return learn(aims, records, schema, config, method=self.name, seed=seed, report=report)
