"""The presets of the objective match their descriptions."""

from __future__ import annotations

import math

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from tiprdc.baselines import adversarial_only, bottleneck, tiprdc_published
from tiprdc.baselines.base import MethodsConfig
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

CONFIG = MethodsConfig(schedule=ScheduleConfig(epochs=6, extractor_rate=2e-3))


def make_game(objective: ObjectiveConfig, network_factory: NetworkFactory = build_networks) -> Game:
    torch.manual_seed(0)
    spec = InputSpec(modality="image", shape=(3, 16, 16))
    config = ExtractorConfig(width=8, features=6)
    return Game(objective, config, spec, {"secret": 2}, network_factory)


def make_batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randint(256, (16, 3, 16, 16), dtype=torch.uint8)
    return x, torch.arange(16)[:, None] % 2


def extractor_gradient(game: Game, pressure: float) -> torch.Tensor:
    x, u = make_batch()
    losses, _ = game(x, u, pressure)
    game.zero_grad()
    losses.total.backward()
    return torch.cat([p.grad.flatten() for p in game.extractor.parameters() if p.grad is not None])


def test_published_preset_has_the_papers_settings() -> None:
    objective, schedule = tiprdc_published.preset(CONFIG)
    assert objective.privacy_weight == 0.66
    assert objective.confusion_loss == "cross_entropy"
    assert (objective.adversaries, objective.adversary_steps, objective.negatives) == (1, 1, 1)
    assert (objective.kernel_adversary, objective.memory, objective.noise) == (0, 0, 0)
    assert schedule.extractor_rate == schedule.critic_rate == schedule.adversary_rate == 2e-3
    assert schedule.weight_decay == 1e-4
    assert (schedule.epochs, schedule.warm_up) == (6, 4)


def test_published_networks_have_no_whitening_and_one_score() -> None:
    objective = tiprdc_published.preset(CONFIG)[0]
    x, u = make_batch()
    whitened, game = make_game(objective), make_game(objective, tiprdc_published.build_published)
    with torch.no_grad():
        unwhitened = game.extractor.trunk(game.extractor.normalise(x)).global_
    assert not torch.allclose(whitened.extractor(x), unwhitened)
    assert torch.allclose(game.extractor(x), unwhitened, atol=1e-5)
    assert not hasattr(game.critic, "local_query")
    for layer in game.critic.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    # One score for a record, all 0: -2 log 2, not twice that.
    losses, _ = game(x, u, 0.0)
    assert losses.mutual_information.item() == pytest.approx(-2 * math.log(2))


def test_critic_does_not_reach_the_extractor_of_adversarial_only() -> None:
    objective, schedule = adversarial_only.preset(
        replace(CONFIG, objective=replace(CONFIG.objective, bottleneck=0.1))
    )
    assert (objective.privacy_weight, objective.bottleneck, schedule.warm_up) == (1.0, 0.0, 0.0)
    assert objective.kernel_adversary == CONFIG.objective.kernel_adversary
    game = make_game(
        ObjectiveConfig(privacy_weight=1.0, kernel_adversary=0, memory=0, adversaries=1)
    )
    nn.init.zeros_(game.adversaries[0][0][-1].weight)  # a constant adversary gives no gradient
    assert torch.count_nonzero(extractor_gradient(game, 1.0)) == 0
    assert torch.count_nonzero(extractor_gradient(game, 0.5)) > 0


def test_bottleneck_preset_has_a_price_and_no_adversary() -> None:
    objective = bottleneck.preset(
        MethodsConfig(bottleneck=0.7, objective=ObjectiveConfig(adversaries=2))
    )
    assert objective.bottleneck == 0.7
    assert (objective.kernel_adversary, objective.memory) == (0, 0)
    assert (objective.adversaries, objective.reconstruction) == (0, 0)
    assert objective.privacy_weight == CONFIG.objective.privacy_weight
    game = make_game(objective)
    assert not list(game.adversaries.parameters())
    x, u = make_batch()
    losses, _ = game(x, u, 1.0)
    weighted_kl = losses.total + losses.mutual_information
    assert weighted_kl.item() == pytest.approx(0.65 * 0.7 * losses.kl.item(), rel=1e-4)


def test_unprotected_objective_has_no_adversary() -> None:
    objective = CONFIG.objective.unprotected()
    assert (objective.privacy_weight, objective.adversaries, objective.memory) == (0, 0, 0)
    assert objective.negatives == CONFIG.objective.negatives
