"""Closed-form linear erasure after an unprotected extractor: the guard without the game.

Nothing linear of u is left in the features that it was fitted on. Kernels and networks are another
matter.

Source: Belrose et al. 2023 (LEACE); tiprdc/models/guard.py has the theorem.
"""

from __future__ import annotations

from dataclasses import replace

from tiprdc.baselines.method import Method, MethodsConfig, Report
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.datasets.schema import Records, Schema
from tiprdc.models.extractor import Extractor


class Leace(Method):
    """The unprotected extractor, then erasure of all private attributes."""

    name = "leace"

    def fit(
        self,
        records: Records,
        schema: Schema,
        config: MethodsConfig,
        seed: int,
        report: Report = lambda _: None,
    ) -> Extractor:
        guarded = replace(config, extractor=replace(config.extractor, guard=True))
        return Unprotected().fit(records, schema, guarded, seed, report)
