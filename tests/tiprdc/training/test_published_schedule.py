"""The published schedule and the fused backward give the same gradients."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.helpers.games import NETWORKS, assert_gradients_close, make_game
from tiprdc.training.published_schedule import PublishedSchedule


@pytest.mark.parametrize("networks", NETWORKS)
def test_one_backward_equals_the_published_schedule(networks: str) -> None:
    published = {
        "confusion_loss": "cross_entropy",
        "mi_estimator": "jsd",
        "negatives": 1,
        "kernel_adversary": 0.0,
    }
    game, x, u = make_game(networks, privacy_weight=0.66, **published)
    schedule = PublishedSchedule(copy.deepcopy(game))
    losses, _ = game(x, u, 1.0)
    losses.total.backward()
    cross_entropy, j = schedule.backward(x, u)
    torch.testing.assert_close(losses.adversary, cross_entropy, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(losses.mutual_information, j, rtol=1e-3, atol=1e-5)
    for network in ("extractor", "adversaries", "critic"):
        fused, published_gradients = (
            [p.grad for p in getattr(side, network).parameters() if p.grad is not None]
            for side in (game, schedule.game)
        )
        assert_gradients_close(fused, published_gradients)


def test_published_schedule_step_changes_every_network() -> None:
    game, x, u = make_game("published", kernel_adversary=0.0, memory=0, negatives=1)
    before = copy.deepcopy(game)
    PublishedSchedule(game).step(x, u)
    for network in ("extractor", "adversaries", "critic"):
        pairs = zip(
            getattr(before, network).parameters(), getattr(game, network).parameters(), strict=True
        )
        assert all(not torch.equal(a, b) for a, b in pairs)
