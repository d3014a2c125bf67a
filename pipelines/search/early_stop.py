"""Decide after each epoch whether a trial of a search stops early: diverged or hopeless."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

_TIMES_BUDGET = 5
_LEAST_R2 = 0.5


def stop_reason(
    losses: Mapping[str, float],
    objective: ObjectiveConfig,
    schedule: ScheduleConfig,
    limit: float,
) -> str:
    """Why a trial stops after this epoch: `diverged`, `hopeless`, or empty.

    A trial has diverged once a loss is NaN or infinite.

    A trial is hopeless if, with a third of its epochs or less to go and the full privacy weight in
    force, its kernel adversary still explains much more of the private attribute than any proposal
    may: a held-out R^2 above 0.5, above five times the trial's budget, and above `4 limit^2`. An
    attacker of a balanced binary attribute whose guess has that R^2 has an advantage of
    `sqrt(R^2) / 2`, so the last bound keeps every trial that could be within `limit`. Without a
    kernel adversary no trial is hopeless.

    Args:
        losses: The epoch's means, as `Trainer.train_epoch` gives them.
        objective: Of the trial.
        schedule: Of the trial.
        limit: The highest advantage that the search makes a proposal for, 0 to 1.
    """
    if not all(math.isfinite(value) for value in losses.values()):
        return "diverged"
    if not (objective.kernel_adversary and objective.privacy_weight):
        return ""
    epoch = losses["epoch"]
    if epoch > schedule.epochs:  # an epoch of the head
        return ""
    if 3 * epoch < 2 * schedule.epochs or schedule.pressure(epoch - 1) < 1:
        return ""
    # The loss is a sum over batch and memory, and includes what shuffled labels explain.
    r2 = (losses["explained_variance"] - losses["chance"]) / 2
    bound = max(_LEAST_R2, _TIMES_BUDGET * objective.budget, 4 * limit**2)
    return "hopeless" if r2 > bound else ""
