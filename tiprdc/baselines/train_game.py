"""Train the game to its last epoch in this process, for the methods that are presets of it."""

from __future__ import annotations

from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.baselines.base import FitInputs
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

_HEAD = HeadConfig()


def train(
    objective: ObjectiveConfig,
    schedule: ScheduleConfig,
    inputs: FitInputs,
    *,
    head: HeadConfig = _HEAD,
    network_factory: NetworkFactory = build_networks,
) -> Extractor:
    """Train with this objective and schedule.

    Args:
        objective, schedule: The preset.
        inputs: Records, architecture and seed.
        head: Training of the head, where the architecture has one.
        network_factory: Builds the networks.

    Returns:
        The extractor, in evaluation mode.
    """
    schema = inputs.schema
    private = {name: schema.classes(name) for name in schema.private}
    spec = InputSpec.of(schema)
    trainer = Trainer(
        objective, inputs.config.extractor, schedule, spec, private,
        seed=inputs.seed, head=head, cross_fit=cross_fit,
        network_factory=network_factory,
    )  # fmt: skip
    while trainer.epoch < trainer.epochs:
        trainer.train_epoch(inputs.records)
        inputs.report(trainer.epoch)
    extractor = trainer.game.extractor.eval()
    assert isinstance(extractor, Extractor)
    extractor.fold()
    return extractor
