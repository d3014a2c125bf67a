"""Our own method with the settings in force: `game` of the comparison, the defaults if not said."""

from __future__ import annotations

from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.baselines.play import play
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.extractor import Extractor


class Ours(Method):
    """The game as docs/method.md has it."""

    name = "ours"

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Extractor:
        return play(config.game, config.schedule, records, schema, config, seed=seed, report=report)
