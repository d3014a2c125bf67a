"""Closed-form linear erasure after an unprotected extractor: the guard without the game.

Nothing linear of u is left in the features that it was fitted on. Kernels and networks are another
matter.

Source: Belrose et al. 2023 (LEACE); tiprdc/models/leace.py has the theorem.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.train_game import play
from tiprdc.models.extractor import Extractor


class Leace(Method):
    """The unprotected extractor, then erasure of all private attributes."""

    name = "leace"

    def fit(self, given: Given) -> Extractor:
        config = given.plain().config
        guarded = structs.replace(config, extractor=structs.replace(config.extractor, leace=True))
        return play(config.objective.unprotected(), config.schedule, replace(given, config=guarded))
