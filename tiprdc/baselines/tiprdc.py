"""Our own method with the settings in force: `game` of the comparison, the defaults if not said."""

from __future__ import annotations

from tiprdc.baselines.base import Given, Method
from tiprdc.baselines.train_game import play
from tiprdc.models.extractor import Extractor


class Ours(Method):
    """The game as docs/method.md has it."""

    name = "ours"

    def fit(self, given: Given) -> Extractor:
        return play(given.config.objective, given.config.schedule, given)
