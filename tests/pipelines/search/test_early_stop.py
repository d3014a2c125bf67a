"""Which trials stop early: those with NaN, and those that cannot hide the attribute."""

from __future__ import annotations

import pytest

from pipelines.search.early_stop import stop_reason
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

OBJECTIVE = ObjectiveConfig(budget=0.05)
SCHEDULE = ScheduleConfig(epochs=9, warm_up=1.0)
LOSSES = {"epoch": 6.0, "explained_variance": 1.3, "chance": 0.1, "total": 2.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_trial_with_a_loss_that_is_no_number_has_diverged(value: float) -> None:
    losses = {**LOSSES, "epoch": 1.0, "explained_variance": 0.0, "total": value}
    assert stop_reason(losses, OBJECTIVE, SCHEDULE, 0.2) == "diverged"


def test_trial_that_explains_most_of_the_attribute_is_hopeless_in_the_last_third() -> None:
    assert stop_reason(LOSSES, OBJECTIVE, SCHEDULE, 0.2) == "hopeless"
    assert stop_reason({**LOSSES, "epoch": 5.0}, OBJECTIVE, SCHEDULE, 0.2) == ""


@pytest.mark.parametrize(
    ("losses", "objective", "schedule", "limit"),
    [
        ({"explained_variance": 1.0}, {}, {}, 0.2),
        ({}, {"budget": 0.15}, {}, 0.2),
        ({}, {}, {}, 0.4),
        ({}, {}, {"warm_up": 5.0}, 0.2),
        ({}, {"privacy_weight": 0.0}, {}, 0.2),
        ({}, {"kernel_adversary": 0.0, "adversaries": 1}, {}, 0.2),
    ],
    ids=["explains half", "large budget", "high limit", "warm-up", "no weight", "no adversary"],
)
def test_trial_that_may_still_be_proposed_continues(
    losses: dict[str, float], objective: dict[str, float], schedule: dict[str, float], limit: float
) -> None:
    settings = {"budget": 0.05, **objective}
    reason = stop_reason(
        {**LOSSES, **losses},
        ObjectiveConfig(**settings),  # type: ignore[arg-type]  # some keys
        ScheduleConfig(**{"epochs": 9, "warm_up": 1.0, **schedule}),  # type: ignore[arg-type]
        limit,
    )
    assert reason == ""
