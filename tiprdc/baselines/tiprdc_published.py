"""TIPRDC as published, on the networks of the comparison.

As in the paper and its code: lambda 0.66, the adversary's cross-entropy as objective, one adversary
with one step for each step of the extractor, one score for a whole record against one other record,
one rate for all networks, weight decay 1e-4, training without hiding for two thirds of the epochs
(20 of 30), no adversary in closed form, no whitening.

Unlike the paper: the networks (the paper's have 100 million parameters and features larger than the
picture), the rate (the paper's is 1e-4 for 30 epochs of 160,000 pictures; here `extractor_rate`),
Adam's betas and the decay of the rate, which are the trainer's.

Source: Li et al. 2020 (TIPRDC), arXiv 2005.11480.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from msgspec.structs import replace
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.train_game import train
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import Networks, build_networks
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

LAMBDA = 0.66
_WARM_UP_SHARE = 2 / 3


class TiprdcPublished(Method):
    """The paper's objective and schedule."""

    name = "tiprdc_published"

    def fit(self, inputs: FitInputs) -> Extractor:
        objective, schedule = preset(inputs.config)
        return train(objective, schedule, inputs.unprotected(), network_factory=build_published)


def preset(config: MethodsConfig) -> tuple[ObjectiveConfig, ScheduleConfig]:
    """The paper's objective and schedule, for the number of epochs of all methods."""
    objective = ObjectiveConfig(
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
    return objective, schedule


def build_published(
    config: ExtractorConfig,
    spec: InputSpec,
    private: Mapping[str, int],
    adversaries: int,
    bottleneck: bool = False,
) -> Networks:
    """The common networks with one score for a record and without whitening.

    Arguments and errors are those of `build_networks`.
    """
    networks = build_networks(config, spec, private, adversaries, bottleneck, whiten=False)
    assert isinstance(networks.critic, Critic)
    return networks._replace(critic=GlobalCritic(networks.critic))


class GlobalCritic(nn.Module):
    """A critic with one score for the whole record and none for its positions.

    Args:
        critic: Its trunk and its global query are used.
    """

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.normalise, self.trunk = critic.normalise, critic.trunk
        self.global_query = critic.global_query

    def forward(
        self, x: Tensor, z: Tensor, u: Tensor, negatives: int, mi_estimator: MiEstimator = "jsd"
    ) -> Tensor:
        """J; arguments and result are those of `Critic`."""
        keys = self.trunk(self.normalise(x)).global_
        queries = self.global_query(torch.cat([z, u], dim=1)) / math.sqrt(keys.shape[1])
        product = [(keys.roll(shift, 0) * queries).sum(1) for shift in range(1, negatives + 1)]
        return ESTIMATORS[mi_estimator]((keys * queries).sum(1), torch.stack(product), None)
