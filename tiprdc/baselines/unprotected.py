"""The twin that hides nothing: what protection costs is measured against it."""

from __future__ import annotations

from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.baselines.play import play
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.extractor import Extractor


class Unprotected(Method):
    """The game with a privacy weight of 0."""

    name = "unprotected"

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Extractor:
        game = config.game.unprotected()
        return play(game, config.schedule, records, schema, config, seed=seed, report=report)
