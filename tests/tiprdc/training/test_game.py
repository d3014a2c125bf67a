"""One fused backward gives each player the gradient of its own objective."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.models.published import published_networks
from tiprdc.objectives.entropy import certainty
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.objectives.kernel_ridge import LabelledFeatures, MemoryRidge, explained_variance
from tiprdc.training.game import Game, scale_gradient
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.published_schedule import PublishedSchedule, information

SPEC = InputSpec(modality="image", shape=(3, 16, 16))
PRIVATE = {"first": 2, "second": 3}
# Without dropout: separate passes would silence other units than one pass does.
PAPERS = functools.partial(published_networks, width=64, dropout=0.0)
NETWORKS: dict[str, tuple[NetworkFactory, InputSpec, int]] = {
    "ours": (build_networks, SPEC, 16),
    "the paper's": (PAPERS, InputSpec(modality="image", shape=(3, 38, 33)), 6),
}


def _game(networks: str = "ours", **rules: Any) -> tuple[Game, Tensor, Tensor]:
    torch.manual_seed(0)
    make, spec, batch = NETWORKS[networks]
    config = ExtractorConfig(width=8, features=6)
    game = Game(ObjectiveConfig(**{"adversaries": 1, **rules}), config, spec, PRIVATE, make)
    x = torch.randint(256, (batch, *spec.shape), dtype=torch.uint8)
    u = torch.stack([torch.randint(k, (batch,)) for k in PRIVATE.values()], dim=1)
    return game, x, u


def _gradients(game: Game, loss: Tensor, player: str) -> list[Tensor]:
    parameters = list(getattr(game, player).parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def _hot(u: Tensor) -> list[Tensor]:
    return [F.one_hot(u[:, i], k).float() for i, k in enumerate(PRIVATE.values())]


def _adversaries(game: Game, z: Tensor, score: Any) -> Tensor:
    parts = [
        game.weights[i] * score(player(z), i) / game.config.adversaries
        for i, group in enumerate(game.adversaries)
        for player in group  # type: ignore[attr-defined]  # a ModuleList
    ]
    return torch.stack(parts).sum()


def _assert_near(found: list[Tensor], wanted: list[Tensor]) -> None:
    """To 1e-3 of each gradient's own size, or both rounding beside the player's largest: the
    critic's last bias shifts all scores alike, which InfoNCE and Donsker-Varadhan do not see."""
    largest = max(float(w.abs().max()) for w in wanted)
    assert largest > 0
    for a, b in zip(found, wanted, strict=True):
        rounding = max(float(a.abs().max()), float(b.abs().max())) < 1e-4 * largest
        close = float((a - b).norm()) <= 1e-3 * float(b.norm()) + 1e-6 * largest * b.numel() ** 0.5
        assert rounding or close


@pytest.mark.parametrize("mi_estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel_adversary", [0.0, 3.0])
@pytest.mark.parametrize("confusion_loss", ["entropy", "cross_entropy"])
@pytest.mark.parametrize("networks", NETWORKS)
def test_one_backward_equals_three(
    networks: str, confusion_loss: str, kernel_adversary: float, mi_estimator: MiEstimator
) -> None:
    game, x, u = _game(
        networks,
        privacy_weight=0.7,
        adversaries=2 if networks == "ours" else 1,
        kernel_adversary=kernel_adversary,
        memory=64,
        confusion_loss=confusion_loss,
        mi_estimator=mi_estimator,
        negatives=2,
    )
    twin = copy.deepcopy(game)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    z = twin.extractor(x)
    hot = _hot(u)
    kept = information(twin.critic, x, z, torch.cat(hot, 1), 2, mi_estimator)
    wrong = _adversaries(twin, z, lambda logits, i: F.cross_entropy(logits, u[:, i]))
    sure = _adversaries(twin, z, lambda logits, _: certainty(logits))
    explained = torch.zeros(())
    for i, (weight, one_hot) in enumerate(zip(twin.weights, hot, strict=True)):
        batch = LabelledFeatures(z.flatten(1), one_hot)
        memory = LabelledFeatures(twin.memory_z, twin._each(twin.memory_believed)[i])
        explained = explained + weight * explained_variance(batch).variance
        explained = explained + weight * MemoryRidge(memory).explained_variance(batch).variance
    hides = sure if confusion_loss == "entropy" else -wrong
    objectives = {
        "extractor": -0.3 * kept + 0.7 * (kernel_adversary * explained + hides),
        "adversaries": wrong,
        "critic": -kept,
    }
    torch.testing.assert_close(losses.mutual_information, kept, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.adversary, wrong, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.certainty, sure, rtol=1e-3, atol=1e-5)
    if kernel_adversary:
        torch.testing.assert_close(losses.explained_variance, explained, rtol=1e-3, atol=1e-5)
    for player, objective_of in objectives.items():
        separate = _gradients(twin, objective_of, player)
        fused = [p.grad for p in getattr(game, player).parameters() if p.grad is not None]
        _assert_near(fused, separate)


@pytest.mark.parametrize("kernel_adversary", [0.0, 3.0])
@pytest.mark.parametrize("adversaries", [0, 1])
def test_one_backward_equals_two_where_each_nat_has_its_price(
    adversaries: int, kernel_adversary: float
) -> None:
    game, x, u = _game(
        privacy_weight=0.7,
        bottleneck=0.4,
        kernel_adversary=kernel_adversary,
        adversaries=adversaries,
        memory=0,
        negatives=2,
    )
    twin = copy.deepcopy(game)
    torch.manual_seed(1)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    mean = twin.extractor.trunk(twin.extractor.normalise(x)).global_
    torch.manual_seed(1)
    z = mean + torch.randn_like(mean)
    hot = _hot(u)
    kept = information(twin.critic, x, z, torch.cat(hot, 1), 2, "infonce")
    variance = mean.square().mean(0) + 1
    nearest = Normal(0.0, variance.sqrt())
    paid = kl_divergence(Normal(mean, 1.0), nearest).sum(1).mean()
    hides = 0.4 * paid
    if adversaries:
        hides = hides + _adversaries(twin, z, lambda logits, _: certainty(logits))
    for weight, one_hot in zip(twin.weights, hot, strict=True):
        found = explained_variance(LabelledFeatures(z, one_hot)).variance
        hides = hides + kernel_adversary * weight * found
    torch.testing.assert_close(losses.kl, paid, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses.mutual_information, kept, rtol=1e-3, atol=1e-5)
    objectives = {"extractor": -0.3 * kept + 0.7 * hides, "critic": -kept}
    for player, objective_of in objectives.items():
        separate = _gradients(twin, objective_of, player)
        fused = [p.grad for p in getattr(game, player).parameters() if p.grad is not None]
        _assert_near(fused, separate)


def test_in_the_warm_up_nothing_has_a_price() -> None:
    game, x, u = _game(bottleneck=5.0, kernel_adversary=0.0, adversaries=0, memory=0)
    losses, _ = game(x, u, 0.0)
    torch.testing.assert_close(losses.total, -losses.mutual_information)
    assert losses.kl > 0


@pytest.mark.parametrize("networks", NETWORKS)
def test_one_backward_equals_the_published_schedule(networks: str) -> None:
    published = {
        "confusion_loss": "cross_entropy",
        "mi_estimator": "jsd",
        "negatives": 1,
        "kernel_adversary": 0.0,
    }
    game, x, u = _game(networks, privacy_weight=0.66, **published)
    schedule = PublishedSchedule(copy.deepcopy(game))
    losses, _ = game(x, u, 1.0)
    losses.total.backward()
    wrong, kept = schedule.backwards(x, u)
    torch.testing.assert_close(losses.adversary, wrong, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.mutual_information, kept, rtol=1e-3, atol=1e-5)
    for player in ("extractor", "adversaries", "critic"):
        sides = [
            [p.grad for p in getattr(side, player).parameters() if p.grad is not None]
            for side in (game, schedule.game)
        ]
        _assert_near(sides[0], sides[1])


def test_a_step_of_the_published_schedule_moves_every_player() -> None:
    game, x, u = _game("the paper's", kernel_adversary=0.0, memory=0, negatives=1)
    before = copy.deepcopy(game)
    PublishedSchedule(game).step(x, u)
    for player in ("extractor", "adversaries", "critic"):
        pairs = zip(
            getattr(before, player).parameters(), getattr(game, player).parameters(), strict=True
        )
        assert all(not torch.equal(a, b) for a, b in pairs)


def test_a_further_step_of_the_adversaries_moves_nobody_else() -> None:
    game, x, u = _game()
    _, z = game(x, u, 1.0)
    game.zero_grad(set_to_none=True)
    losses, same = game(x, u, 1.0, z)
    losses.total.backward()
    assert same is z
    assert all(p.grad is None for p in game.extractor.parameters())
    assert all(p.grad is None for p in game.critic.parameters())
    assert all(p.grad is not None for p in game.adversaries.parameters())


def test_without_pressure_the_adversaries_do_not_move_the_extractor() -> None:
    game, x, u = _game(privacy_weight=0.9)
    twin = copy.deepcopy(game)
    calm, _ = game(x, u, 0.0)
    kept = twin.critic(x, twin.extractor(x), torch.cat(_hot(u), 1), 15, "infonce")
    wanted = _gradients(twin, -kept, "extractor")
    for alone, found in zip(wanted, _gradients(game, calm.total, "extractor"), strict=True):
        torch.testing.assert_close(found, alone)


def test_a_heavier_attribute_weighs_more() -> None:
    game, _, _ = _game(weights={"first": 3.0})
    assert game.weights == pytest.approx([0.75, 0.25])


def test_scale_gradient_keeps_values_and_scales_the_way_back() -> None:
    x = torch.ones(3, requires_grad=True)
    y = scale_gradient(x, -0.5)
    y.sum().backward()
    assert torch.equal(y, x)
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5] * 3


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"privacy_weight": 1.5}, "train.objective.privacy_weight: 1.5\n  expected: 0 to 1"),
        ({"negatives": 0}, "train.objective.negatives: 0"),
        ({"weights": {"sex": 0.0}}, "train.objective.weights.sex: 0.0"),
        (
            {"adversaries": 0, "kernel_adversary": 0.0},
            "no adversary, trained or kernel, and no bottleneck",
        ),
        ({"bottleneck": -0.1}, "train.objective.bottleneck: -0.1\n  expected: 0 to 1000"),
        (
            {"bottleneck": 0.5, "privacy_weight": 0.0},
            "train.objective.bottleneck: 0.5 with a privacy_weight of 0",
        ),
    ],
)
def test_rules_out_of_range_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ObjectiveConfig(**rules)


def test_a_bottleneck_is_enough_to_hide_by_and_the_twin_has_none() -> None:
    rules = ObjectiveConfig(bottleneck=0.5, kernel_adversary=0.0, adversaries=0)
    twin = rules.unprotected()
    assert (twin.bottleneck, twin.privacy_weight) == (0, 0)
    assert twin.kernel_adversary == rules.kernel_adversary


def test_noise_of_a_chosen_size_beside_a_bottleneck_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.extractor.release_noise: 0.5 with a bottleneck"):
        Game(
            ObjectiveConfig(bottleneck=0.5),
            ExtractorConfig(width=8, release_noise=0.5),
            SPEC,
            PRIVATE,
        )


def test_the_reconstruction_adversary_learns_and_the_extractor_opposes_it() -> None:
    rules = {
        "adversaries": 0,
        "kernel_adversary": 0.0,
        "privacy_weight": 1.0,
        "reconstruction": 1.0,
    }
    game, x, u = _game(**rules)
    learner = torch.optim.Adam(game.rebuilder.parameters(), 1e-2)
    shown = []
    for _ in range(60):
        losses, _ = game(x, u, 1.0)
        learner.zero_grad()
        losses.total.backward()
        learner.step()
        shown.append(losses.rebuilt.item())
    assert 0 <= min(shown) < shown[0] + 0.05 < shown[-1] < 1

    twin = copy.deepcopy(game)
    fused = _gradients(game, game(x, u, 1.0)[0].total, "extractor")
    _assert_near(fused, _gradients(twin, twin(x, u, 1.0)[0].rebuilt, "extractor"))


def test_without_its_weight_there_is_no_reconstruction_adversary() -> None:
    game, x, u = _game()
    assert not list(game.rebuilder.parameters())
    assert game(x, u, 1.0)[0].rebuilt == 0


def test_what_is_rebuilt_is_hidden_too_and_who_rebuilds_it_only_does_that() -> None:
    game, x, u = _game(
        adversaries=0, kernel_adversary=3.0, privacy_weight=0.7, adversary_decoder=True, memory=64
    )
    assert game.memory_z.shape == (64, 6 + 3 * 8 * 8)
    twin = copy.deepcopy(game)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    z = twin.extractor(x)
    hot = _hot(u)
    kept = information(twin.critic, x, z, torch.cat(hot, 1), 127, "infonce")
    made = twin.decoders[0].network(z)  # type: ignore[operator]  # a perceptron
    seen = (z.flatten(1), F.avg_pool2d(made.view(x.shape), 2).flatten(1))
    explained = torch.zeros(())
    for part, past in zip(seen, twin.memory_z.split([6, 192], dim=1), strict=True):
        for i, (weight, one_hot) in enumerate(zip(twin.weights, hot, strict=True)):
            batch = LabelledFeatures(part, one_hot)
            memory = MemoryRidge(LabelledFeatures(past, twin._each(twin.memory_believed)[i]))
            found = explained_variance(batch).variance + memory.explained_variance(batch).variance
            explained = explained + weight * found / 2
    rebuilds = (made - 4 * (x.float() / 255 - 0.5).flatten(1)).square().mean()
    objectives = {"extractor": -0.3 * kept + 0.7 * 3 * explained, "decoders": rebuilds}
    torch.testing.assert_close(losses.explained_variance, explained)
    for player, confusion_loss in objectives.items():
        found_gradients = [p.grad for p in getattr(game, player).parameters()]
        assert all(g is not None for g in found_gradients)
        _assert_near(found_gradients, _gradients(twin, confusion_loss, player))


def test_a_decoder_that_nobody_reads_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"train.objective.adversary_decoder: true without a kernel adversary"
    ):
        ObjectiveConfig(adversary_decoder=True, kernel_adversary=0.0, adversaries=1)
    words = InputSpec(modality="text", shape=(8,), vocabulary_size=50)
    with pytest.raises(
        ConfigError, match=r"train.objective.adversary_decoder: true, and the records are texts"
    ):
        Game(ObjectiveConfig(adversary_decoder=True), ExtractorConfig(width=8), words, PRIVATE)
    assert not ObjectiveConfig(adversary_decoder=True).unprotected().adversary_decoder


def test_the_budget_steers_the_weight_of_hiding_while_training_only() -> None:
    game, x, u = _game(budget_step=0.1)
    game.eval()
    game(x, u, 1.0)
    assert game.pressure.multiplier.tolist() == [1, 1]
    game.train()
    game(x, u, 0.5)
    assert game.pressure.multiplier.tolist() == [1, 1]
    losses, _ = game(x, u, 1.0)
    assert losses.multiplier == 1
    assert 1 not in game.pressure.multiplier.tolist()
    constant, x, u = _game(budget_step=0.0)
    constant(x, u, 1.0)
    assert constant.pressure.multiplier.tolist() == [1, 1]
