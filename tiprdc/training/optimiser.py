"""The optimiser of a training: one AdamW with a group for extractor, critic and adversaries."""

from __future__ import annotations

import torch

from tiprdc.training.game import Game
from tiprdc.training.schedule_config import ScheduleConfig

BETAS = (0.5, 0.999)
"""Adam's betas, of every network that is trained."""


def build_optimiser(game: Game, schedule: ScheduleConfig) -> torch.optim.AdamW:
    """AdamW with three groups, in this order: extractor, critic, adversaries with decoders."""
    return torch.optim.AdamW(
        [
            {
                "params": list(game.extractor.parameters()),
                "lr": schedule.extractor_rate,
                "weight_decay": schedule.weight_decay,
            },
            {
                "params": list(game.critic.parameters()),
                "lr": schedule.critic_rate,
            },
            {
                "params": [
                    *game.adversaries.parameters(),
                    *game.record_decoders.parameters(),
                    *game.coarse_decoders.parameters(),
                ],
                "lr": schedule.adversary_rate,
            },
        ],
        betas=BETAS,
        weight_decay=0.0,
        fused=True,
    )


def set_rates(optimiser: torch.optim.Optimizer, schedule: ScheduleConfig, progress: float) -> None:
    """Set the learning rates of extractor and critic; that of the adversaries is constant.

    Args:
        optimiser: Of `build_optimiser`.
        schedule: The rates.
        progress: Epochs since the start.
    """
    fall = schedule.decay(progress)
    extractor, critic, _ = optimiser.param_groups
    extractor["lr"] = schedule.extractor_rate * fall
    critic["lr"] = schedule.critic_rate * fall
