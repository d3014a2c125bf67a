"""The game to its end, on one machine: what the presets of it share."""

from __future__ import annotations

from collections.abc import Callable

from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.baselines.base import Given
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import InputSpec
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer


def play(
    game: ObjectiveConfig,
    schedule: ScheduleConfig,
    given: Given,
    *,
    before: Callable[[Game], None] = lambda _: None,
) -> Extractor:
    """Train with these rules.

    Args:
        game, schedule: The preset.
        given: What the method learns from.
        before: Changes players before the first step.

    Returns:
        The extractor, in evaluation mode.
    """
    schema = given.schema
    private = {name: schema.classes(name) for name in schema.private}
    spec = InputSpec.of(schema)
    trainer = Trainer(
        game, given.config.extractor, schedule, spec, private, seed=given.seed, cross_fit=cross_fit
    )
    before(trainer.game)
    while trainer.epoch < schedule.epochs:
        trainer.train_epoch(given.records)
        given.report(trainer.epoch)
    extractor = trainer.game.extractor.eval()
    assert isinstance(extractor, Extractor)
    extractor.fold()
    return extractor
