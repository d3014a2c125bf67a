"""Small games with their batch, and the gradients of one network."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.models.published import published_networks
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig

SPEC = InputSpec(modality="image", shape=(3, 16, 16))
PRIVATE = {"first": 2, "second": 3}
# Without dropout, since separate passes would zero other units than one pass.
PUBLISHED = functools.partial(published_networks, width=64, dropout=0.0)
NETWORKS: dict[str, tuple[NetworkFactory, InputSpec, int]] = {
    "ours": (build_networks, SPEC, 16),
    "published": (PUBLISHED, InputSpec(modality="image", shape=(3, 38, 33)), 6),
}


def make_game(networks: str = "ours", **objective: Any) -> tuple[Game, Tensor, Tensor]:
    torch.manual_seed(0)
    factory, spec, batch = NETWORKS[networks]
    config = ExtractorConfig(width=8, features=6)
    game = Game(ObjectiveConfig(**{"adversaries": 1, **objective}), config, spec, PRIVATE, factory)
    x = torch.randint(256, (batch, *spec.shape), dtype=torch.uint8)
    u = torch.stack([torch.randint(k, (batch,)) for k in PRIVATE.values()], dim=1)
    return game, x, u


def gradients(game: Game, loss: Tensor, network: str) -> list[Tensor]:
    parameters = list(getattr(game, network).parameters())
    grads = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True)]


def one_hot_columns(u: Tensor) -> list[Tensor]:
    return [F.one_hot(u[:, i], k).float() for i, k in enumerate(PRIVATE.values())]


def mean_over_adversaries(game: Game, z: Tensor, score: Any) -> Tensor:
    parts = [
        game.weights[i] * score(adversary(z), i) / game.config.adversaries
        for i, ensemble in enumerate(game.adversaries)
        for adversary in ensemble  # type: ignore[attr-defined]  # a ModuleList
    ]
    return torch.stack(parts).sum()


def assert_gradients_close(actual: list[Tensor], expected: list[Tensor]) -> None:
    """To 1e-3 of each gradient's own size, or both are rounding beside the network's largest: the
    critic's last bias shifts all scores, and InfoNCE and Donsker-Varadhan do not depend on it."""
    largest = max(float(w.abs().max()) for w in expected)
    assert largest > 0
    for a, b in zip(actual, expected, strict=True):
        rounding = max(float(a.abs().max()), float(b.abs().max())) < 1e-4 * largest
        close = float((a - b).norm()) <= 1e-3 * float(b.norm()) + 1e-6 * largest * b.numel() ** 0.5
        assert rounding or close
