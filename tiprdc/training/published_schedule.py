"""The schedule as published: three losses, three backwards, three optimisers.

z and the adversary's answer are made once, the critic is run on (x, z, u) and on (x', z, u). Then
each loss goes backward through everything that it came from, and each player keeps its own part:

    extractor   -lambda CE(c(z), u) - (1 - lambda) J
    adversary   CE(c(z), u)
    critic      -J

It is what game.py does in one backward, and what that is compared with: by its gradients
in tests/tiprdc/training/test_game.py, by its time in benchmarks/speed/step.py.

Source: Li et al. 2020 (TIPRDC) and its repository, with one repair: there the extractor moves
before the other losses' gradients are computed; here all gradients come first, as gradient descent
wants it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.published import PublishedCritic
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.training.game import Game

RATE, DECAY = 1e-4, 1e-4
"""Adam's rate and weight decay, as published."""


class PublishedSchedule:
    """Three optimisers for the players of a game.

    Args:
        game: Its networks are trained by their cross-entropy and by J; of its rules only the
            privacy weight, the estimator and the number of negatives count.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.players: list[nn.Module] = [game.extractor, game.adversaries, game.critic]
        self.optimisers = [
            torch.optim.Adam(player.parameters(), lr=RATE, weight_decay=DECAY)
            for player in self.players
        ]

    def step(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of all, then a step of each; takes and returns what `backwards` does."""
        losses = self.backwards(x, u)
        for optimiser in self.optimisers:
            optimiser.step()
        return losses

    def backwards(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Leave in each player the gradient of its own loss.

        Args:
            x: Records `[B, *shape]`.
            u: Private attributes `[B, A]`, int64.

        Returns:
            The adversaries' cross-entropy in nats, and J: scalars.
        """
        game, rules, weight = self.game, self.game.config, self.game.config.privacy_weight
        z = game.extractor(x)
        wrong = self._cross_entropy(z, u)
        one_hot = [F.one_hot(u[:, i], k).float() for i, k in enumerate(game.private.values())]
        told = torch.cat(one_hot, 1)
        kept = information(game.critic, x, z, told, rules.negatives, rules.mi_estimator)
        losses = (-weight * wrong - (1 - weight) * kept, wrong, -kept)
        own: list[list[Tensor | None]] = []
        for player, loss in zip(self.players, losses, strict=True):
            game.zero_grad(set_to_none=True)
            torch.autograd.backward(loss, retain_graph=len(own) < 2)
            own.append([p.grad for p in player.parameters()])
        for player, gradients in zip(self.players, own, strict=True):
            for parameter, gradient in zip(player.parameters(), gradients, strict=True):
                parameter.grad = gradient
        return wrong.detach(), kept.detach()

    def _cross_entropy(self, z: Tensor, u: Tensor) -> Tensor:
        parts = [
            self.game.weights[i] * F.cross_entropy(player(z), u[:, i]) / len(group)
            for i, group in enumerate(self.game.adversaries)
            if isinstance(group, nn.ModuleList)
            for player in group
        ]
        return torch.stack(parts).sum()


def information(
    critic: nn.Module,
    x: Tensor,
    z: Tensor,
    u: Tensor,
    negatives: int,
    mi_estimator: MiEstimator = "jsd",
) -> Tensor:
    """J; the published critic is run in full for each record that it is asked about.

    Args:
        critic: The published one, or any other of a game.
        x: Records `[B, *shape]`.
        z: Features `[B, ...]`.
        u: One-hot private attributes, joined `[B, K]`.
        negatives: Other records to compare each record with, 1 to B - 1.
        mi_estimator: The estimator, in `ESTIMATORS`.
    """
    if not isinstance(critic, PublishedCritic):
        kept: Tensor = critic(x, z, u, negatives, mi_estimator)
        return kept
    joint = critic.score(x, z, u)
    product = [critic.score(x.roll(r, 0), z, u) for r in range(1, negatives + 1)]
    return ESTIMATORS[mi_estimator](joint, torch.stack(product), None)
