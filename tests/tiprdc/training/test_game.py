"""One fused backward gives each network the gradient of its own objective."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from tests.helpers.games import (
    NETWORKS,
    PRIVATE,
    SPEC,
    assert_gradients_close,
    gradients,
    make_game,
    mean_over_adversaries,
    one_hot_columns,
)
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.objectives.entropy import certainty
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.objectives.kernel_ridge import LabelledFeatures, MemoryRidge, explained_variance
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.published_schedule import mutual_information


@pytest.mark.parametrize("mi_estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel_adversary", [0.0, 3.0])
@pytest.mark.parametrize("confusion_loss", ["entropy", "cross_entropy"])
@pytest.mark.parametrize("networks", NETWORKS)
def test_one_backward_equals_three(
    networks: str, confusion_loss: str, kernel_adversary: float, mi_estimator: MiEstimator
) -> None:
    game, x, u = make_game(
        networks,
        privacy_weight=0.7,
        adversaries=2 if networks == "ours" else 1,
        kernel_adversary=kernel_adversary,
        memory=64,
        confusion_loss=confusion_loss,
        mi_estimator=mi_estimator,
        negatives=2,
    )
    separate = copy.deepcopy(game)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    z = separate.extractor(x)
    one_hot = one_hot_columns(u)
    j = mutual_information(separate.critic, x, z, torch.cat(one_hot, 1), 2, mi_estimator)
    cross_entropy = mean_over_adversaries(
        separate, z, lambda logits, i: F.cross_entropy(logits, u[:, i])
    )
    mean_certainty = mean_over_adversaries(separate, z, lambda logits, _: certainty(logits))
    kernel = separate.kernel_adversary
    explained = torch.zeros(())
    for i, (weight, labels) in enumerate(zip(separate.weights, one_hot, strict=True)):
        batch = LabelledFeatures(z.flatten(1), labels)
        memory = LabelledFeatures(kernel.memory_inputs, kernel._split(kernel.memory_targets)[i])
        explained = explained + weight * explained_variance(batch).variance
        explained = explained + weight * MemoryRidge(memory).explained_variance(batch).variance
    confusion = mean_certainty if confusion_loss == "entropy" else -cross_entropy
    objectives = {
        "extractor": -0.3 * j + 0.7 * (kernel_adversary * explained + confusion),
        "adversaries": cross_entropy,
        "critic": -j,
    }
    torch.testing.assert_close(losses.mutual_information, j, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.adversary, cross_entropy, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.certainty, mean_certainty, rtol=1e-3, atol=1e-5)
    if kernel_adversary:
        torch.testing.assert_close(losses.explained_variance, explained, rtol=1e-3, atol=1e-5)
    for network, objective in objectives.items():
        fused = [p.grad for p in getattr(game, network).parameters() if p.grad is not None]
        assert_gradients_close(fused, gradients(separate, objective, network))


@pytest.mark.parametrize("kernel_adversary", [0.0, 3.0])
@pytest.mark.parametrize("adversaries", [0, 1])
def test_one_backward_equals_two_with_a_bottleneck(
    adversaries: int, kernel_adversary: float
) -> None:
    game, x, u = make_game(
        privacy_weight=0.7,
        bottleneck=0.4,
        kernel_adversary=kernel_adversary,
        adversaries=adversaries,
        memory=0,
        negatives=2,
    )
    separate = copy.deepcopy(game)
    torch.manual_seed(1)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    mean = separate.extractor.trunk(separate.extractor.normalise(x)).global_
    torch.manual_seed(1)
    z = mean + torch.randn_like(mean)
    one_hot = one_hot_columns(u)
    j = mutual_information(separate.critic, x, z, torch.cat(one_hot, 1), 2, "infonce")
    variance = mean.square().mean(0) + 1
    nearest = Normal(0.0, variance.sqrt())
    kl = kl_divergence(Normal(mean, 1.0), nearest).sum(1).mean()
    penalty = 0.4 * kl
    if adversaries:
        penalty = penalty + mean_over_adversaries(separate, z, lambda logits, _: certainty(logits))
    for weight, labels in zip(separate.weights, one_hot, strict=True):
        explained = explained_variance(LabelledFeatures(z, labels)).variance
        penalty = penalty + kernel_adversary * weight * explained
    torch.testing.assert_close(losses.kl, kl, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses.mutual_information, j, rtol=1e-3, atol=1e-5)
    objectives = {"extractor": -0.3 * j + 0.7 * penalty, "critic": -j}
    for network, objective in objectives.items():
        fused = [p.grad for p in getattr(game, network).parameters() if p.grad is not None]
        assert_gradients_close(fused, gradients(separate, objective, network))


def test_bottleneck_costs_nothing_in_warm_up() -> None:
    game, x, u = make_game(bottleneck=5.0, kernel_adversary=0.0, adversaries=0, memory=0)
    losses, _ = game(x, u, 0.0)
    torch.testing.assert_close(losses.total, -losses.mutual_information)
    assert losses.kl > 0


def test_further_adversary_step_leaves_extractor_and_critic_unchanged() -> None:
    game, x, u = make_game()
    _, z = game(x, u, 1.0)
    game.zero_grad(set_to_none=True)
    losses, same = game(x, u, 1.0, z)
    losses.total.backward()
    assert same is z
    assert all(p.grad is None for p in game.extractor.parameters())
    assert all(p.grad is None for p in game.critic.parameters())
    assert all(p.grad is not None for p in game.adversaries.parameters())


def test_adversaries_do_not_affect_extractor_without_pressure() -> None:
    game, x, u = make_game(privacy_weight=0.9)
    separate = copy.deepcopy(game)
    losses, _ = game(x, u, 0.0)
    j = separate.critic(x, separate.extractor(x), torch.cat(one_hot_columns(u), 1), 15, "infonce")
    expected = gradients(separate, -j, "extractor")
    for a, b in zip(gradients(game, losses.total, "extractor"), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_attribute_weights_add_up_to_one() -> None:
    game, _, _ = make_game(weights={"first": 3.0})
    assert game.weights == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("settings", "message"),
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
def test_objective_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ObjectiveConfig(**settings)


def test_bottleneck_needs_no_adversary_and_unprotected_has_none() -> None:
    objective = ObjectiveConfig(bottleneck=0.5, kernel_adversary=0.0, adversaries=0)
    unprotected = objective.unprotected()
    assert (unprotected.bottleneck, unprotected.privacy_weight) == (0, 0)
    # It depends on nothing that steers hiding.
    assert unprotected == ObjectiveConfig().unprotected()


def test_release_noise_with_bottleneck_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.extractor.release_noise: 0.5 with a bottleneck"):
        Game(
            ObjectiveConfig(bottleneck=0.5),
            ExtractorConfig(width=8, release_noise=0.5),
            SPEC,
            PRIVATE,
        )


def test_reconstruction_adversary_learns_and_extractor_opposes_it() -> None:
    objective = {
        "adversaries": 0,
        "kernel_adversary": 0.0,
        "privacy_weight": 1.0,
        "reconstruction": 1.0,
    }
    game, x, u = make_game(**objective)
    optimiser = torch.optim.Adam(game.record_decoders.parameters(), 1e-2)
    shares = []
    for _ in range(60):
        losses, _ = game(x, u, 1.0)
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        shares.append(losses.reconstructed.item())
    assert 0 <= min(shares) < shares[0] + 0.05 < shares[-1] < 1

    separate = copy.deepcopy(game)
    fused = gradients(game, game(x, u, 1.0)[0].total, "extractor")
    assert_gradients_close(
        fused, gradients(separate, separate(x, u, 1.0)[0].reconstructed, "extractor")
    )


def test_no_reconstruction_adversary_without_weight() -> None:
    game, x, u = make_game()
    assert not list(game.record_decoders.parameters())
    assert game(x, u, 1.0)[0].reconstructed == 0


def test_kernel_adversary_reads_reconstruction_and_decoder_gets_only_its_own_loss() -> None:
    game, x, u = make_game(
        adversaries=0, kernel_adversary=3.0, privacy_weight=0.7, adversary_decoder=True, memory=64
    )
    assert game.kernel_adversary.memory_inputs.shape == (64, 6 + 3 * 8 * 8)
    separate = copy.deepcopy(game)
    losses, _ = game(x, u, 1.0)
    losses.total.backward()

    z = separate.extractor(x)
    one_hot = one_hot_columns(u)
    j = mutual_information(separate.critic, x, z, torch.cat(one_hot, 1), 127, "infonce")
    output = separate.coarse_decoders[0].network(z)  # type: ignore[operator]  # a perceptron
    inputs = (z.flatten(1), F.avg_pool2d(output.view(x.shape), 2).flatten(1))
    kernel = separate.kernel_adversary
    explained = torch.zeros(())
    for part, past in zip(inputs, kernel.memory_inputs.split([6, 192], dim=1), strict=True):
        for i, (weight, labels) in enumerate(zip(separate.weights, one_hot, strict=True)):
            batch = LabelledFeatures(part, labels)
            memory = MemoryRidge(LabelledFeatures(past, kernel._split(kernel.memory_targets)[i]))
            r2 = explained_variance(batch).variance + memory.explained_variance(batch).variance
            explained = explained + weight * r2 / 2
    decoder_loss = (output - 4 * (x.float() / 255 - 0.5).flatten(1)).square().mean()
    objectives = {"extractor": -0.3 * j + 0.7 * 3 * explained, "coarse_decoders": decoder_loss}
    torch.testing.assert_close(losses.explained_variance, explained)
    for network, objective in objectives.items():
        fused = [p.grad for p in getattr(game, network).parameters()]
        assert all(g is not None for g in fused)
        assert_gradients_close(fused, gradients(separate, objective, network))


def test_adversary_decoder_without_kernel_adversary_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"train.objective.adversary_decoder: true without a kernel adversary"
    ):
        ObjectiveConfig(adversary_decoder=True, kernel_adversary=0.0, adversaries=1)
    words = InputSpec(modality="text", shape=(8,), vocabulary_size=50)
    with pytest.raises(
        ConfigError, match=r"train.objective.adversary_decoder: true, but the records are texts"
    ):
        Game(ObjectiveConfig(adversary_decoder=True), ExtractorConfig(width=8), words, PRIVATE)
    assert not ObjectiveConfig(adversary_decoder=True).unprotected().adversary_decoder


def test_budget_updates_multiplier_only_in_training_at_full_pressure() -> None:
    game, x, u = make_game(budget_step=0.1)
    game.eval()
    game(x, u, 1.0)
    assert game.kernel_adversary.budget.multiplier.tolist() == [1, 1]
    game.train()
    game(x, u, 0.5)
    assert game.kernel_adversary.budget.multiplier.tolist() == [1, 1]
    losses, _ = game(x, u, 1.0)
    assert losses.multiplier == 1
    assert 1 not in game.kernel_adversary.budget.multiplier.tolist()
    constant, x, u = make_game(budget_step=0.0)
    constant(x, u, 1.0)
    assert constant.kernel_adversary.budget.multiplier.tolist() == [1, 1]
