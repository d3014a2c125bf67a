"""The twin that hides nothing: what protection costs is measured against it."""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.train_game import play
from tiprdc.models.extractor import Extractor


class Unprotected(Method):
    """The game with a privacy weight of 0."""

    name = "unprotected"

    def fit(self, given: Given) -> Extractor:
        game = given.config.objective.unprotected()
        return play(game, given.config.schedule, given.plain())
