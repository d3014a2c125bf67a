"""TIPRDC as published, on the networks of the comparison.

As in the paper and its code: lambda 0.66, the adversary's cross-entropy as objective, one adversary
that takes one step for each of the extractor's, one score for a whole record against one other
record, one rate for all players, weight decay 1e-4, training without hiding for two thirds of
the epochs (20 of 30). Nothing in closed form, no whitening.

Not as in the paper: the networks (theirs have 100 million parameters and features larger than the
picture), the rate (theirs is 1e-4 for 30 epochs of 160,000 pictures; here `extractor_rate`), Adam's
betas and the falling rate, which are the trainer's.

Source: Li et al. 2020 (TIPRDC), arXiv 2005.11480.
"""

from __future__ import annotations

import math

import torch
from msgspec.structs import replace
from torch import Tensor, nn

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.train_game import play
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

LAMBDA = 0.66
_WARM_UP_SHARE = 2 / 3


class TiprdcPublished(Method):
    """The paper's rules."""

    name = "tiprdc_published"

    def fit(self, given: Given) -> Extractor:
        game, schedule = preset(given.config)
        return play(game, schedule, given.plain(), before=as_published)


def preset(config: MethodsConfig) -> tuple[ObjectiveConfig, ScheduleConfig]:
    """The paper's rules and order, for as many epochs as all methods have."""
    game = ObjectiveConfig(
        privacy_weight=LAMBDA,
        weights=config.objective.weights,
        kernel_adversary=0.0,
        cross_fit=False,
        memory=0,
        adversaries=1,
        adversary_steps=1,
        confusion_loss="cross_entropy",
        mi_estimator="jsd",
        negatives=1,
        noise=0.0,
    )
    rate = config.schedule.extractor_rate
    schedule = replace(
        config.schedule,
        warm_up=_WARM_UP_SHARE * config.schedule.epochs,
        critic_rate=rate,
        adversary_rate=rate,
        weight_decay=1e-4,
    )
    return game, schedule


def as_published(game: Game) -> None:
    """One score for a record, and features as the last layer makes them."""
    assert isinstance(game.critic, Critic)
    game.register_module("critic", OneScore(game.critic))
    game.extractor.register_module("whiten", nn.Identity())


class OneScore(nn.Module):
    """A critic's score for the whole record, without those for its places.

    Args:
        critic: Whose trunk and query it takes.
    """

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.normalise, self.trunk, self.global_ = critic.normalise, critic.trunk, critic.global_

    def forward(
        self, x: Tensor, z: Tensor, u: Tensor, negatives: int, mi_estimator: MiEstimator = "jsd"
    ) -> Tensor:
        """J; arguments as of `Critic`."""
        keys = self.trunk(self.normalise(x)).global_
        queries = self.global_(torch.cat([z, u], dim=1)) / math.sqrt(keys.shape[1])
        product = [(keys.roll(shift, 0) * queries).sum(1) for shift in range(1, negatives + 1)]
        return ESTIMATORS[mi_estimator]((keys * queries).sum(1), torch.stack(product), None)
