"""The presets of the game say what they claim."""

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
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

CONFIG = MethodsConfig(schedule=ScheduleConfig(epochs=6, extractor_rate=2e-3))


def a_game(rules: ObjectiveConfig) -> Game:
    torch.manual_seed(0)
    spec = InputSpec(modality="image", shape=(3, 16, 16))
    return Game(rules, ExtractorConfig(width=8, features=6), spec, {"secret": 2})


def a_batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randint(256, (16, 3, 16, 16), dtype=torch.uint8)
    return x, torch.arange(16)[:, None] % 2


def extractor_gradient(game: Game, pressure: float) -> torch.Tensor:
    x, u = a_batch()
    losses, _ = game(x, u, pressure)
    game.zero_grad()
    losses.total.backward()
    return torch.cat([p.grad.flatten() for p in game.extractor.parameters() if p.grad is not None])


def test_published_is_the_papers_rules() -> None:
    game, schedule = tiprdc_published.preset(CONFIG)
    assert game.privacy_weight == 0.66
    assert game.confusion_loss == "cross_entropy"
    assert (game.adversaries, game.adversary_steps, game.negatives) == (1, 1, 1)
    assert (game.kernel_adversary, game.memory, game.noise) == (0, 0, 0)
    assert schedule.extractor_rate == schedule.critic_rate == schedule.adversary_rate == 2e-3
    assert schedule.weight_decay == 1e-4
    assert (schedule.epochs, schedule.warm_up) == (6, 4)


def test_published_neither_whitens_nor_asks_place_by_place() -> None:
    game = a_game(tiprdc_published.preset(CONFIG)[0])
    x, u = a_batch()
    with torch.no_grad():
        plain = game.extractor.trunk(game.extractor.normalise(x)).global_
    assert not torch.allclose(game.extractor(x), plain)
    tiprdc_published.as_published(game)
    assert torch.allclose(game.extractor(x), plain, atol=1e-5)
    assert not hasattr(game.critic, "places")
    for layer in game.critic.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    # A critic that scores everything 0 and one score alone: -2 log 2, not twice that.
    losses, _ = game(x, u, 0.0)
    assert losses.mutual_information.item() == pytest.approx(-2 * math.log(2))


def test_without_a_critic_the_extractor_does_not_hear_it() -> None:
    rules, schedule = adversarial_only.preset(
        replace(CONFIG, objective=replace(CONFIG.objective, bottleneck=0.1))
    )
    assert (rules.privacy_weight, rules.bottleneck, schedule.warm_up) == (1.0, 0.0, 0.0)
    assert rules.kernel_adversary == CONFIG.objective.kernel_adversary
    deaf = a_game(ObjectiveConfig(privacy_weight=1.0, kernel_adversary=0, memory=0, adversaries=1))
    nn.init.zeros_(deaf.adversaries[0][0][-1].weight)  # the adversary knows nothing: no gradient
    assert torch.count_nonzero(extractor_gradient(deaf, 1.0)) == 0
    assert torch.count_nonzero(extractor_gradient(deaf, 0.5)) > 0


def test_the_bottleneck_has_a_price_and_nobody_who_looks() -> None:
    rules = bottleneck.preset(
        MethodsConfig(bottleneck=0.7, objective=ObjectiveConfig(adversaries=2))
    )
    assert rules.bottleneck == 0.7
    assert (rules.kernel_adversary, rules.memory, rules.adversaries, rules.reconstruction) == (
        0,
    ) * 4
    assert rules.privacy_weight == CONFIG.objective.privacy_weight
    game = a_game(rules)
    assert not list(game.adversaries.parameters())
    x, u = a_batch()
    losses, _ = game(x, u, 1.0)
    hidden = losses.total + losses.mutual_information
    assert hidden.item() == pytest.approx(0.65 * 0.7 * losses.kl.item(), rel=1e-4)


def test_the_unprotected_twin_is_asked_by_nobody() -> None:
    rules = CONFIG.objective.unprotected()
    assert (rules.privacy_weight, rules.adversaries, rules.memory) == (0, 0, 0)
    assert rules.negatives == CONFIG.objective.negatives
