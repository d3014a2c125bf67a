"""The paper's training step: three losses, three backwards, three optimisers.

z and the adversary's output are computed once; the critic runs on (x, z, u) and on (x', z, u).
Then each loss goes backward through its whole graph, and each network keeps its own gradient:

    extractor   -lambda CE(c(z), u) - (1 - lambda) J
    adversary   CE(c(z), u)
    critic      -J

game.py computes the same in one backward. Tests compare the gradients
(tests/tiprdc/training/test_game.py), a benchmark the time (benchmarks/speed/step.py).

Source: Li et al. 2020 (TIPRDC) and its repository, with one correction: there the extractor takes
its step before the other losses' gradients are computed; here all gradients come first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.published import PublishedCritic
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.training.batches import one_hot
from tiprdc.training.game import Game

RATE, DECAY = 1e-4, 1e-4
"""Adam's rate and weight decay, as published."""


class PublishedSchedule:
    """Three optimisers for the networks of a game.

    Args:
        game: Its networks are trained by their cross-entropy and by J. Of its objective only the
            privacy weight, the estimator and the number of negatives are used.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.networks: list[nn.Module] = [game.extractor, game.adversaries, game.critic]
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=RATE, weight_decay=DECAY)
            for network in self.networks
        ]

    def step(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of all networks, then a step of each; arguments and result as of `backward`."""
        losses = self.backward(x, u)
        for optimiser in self.optimisers:
            optimiser.step()
        return losses

    def backward(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Set in each network the gradient of its own loss.

        Args:
            x: Records `[B, *shape]`.
            u: Private attributes `[B, A]`, int64.

        Returns:
            The adversaries' cross-entropy in nats, and J: scalars.
        """
        game, config, weight = self.game, self.game.config, self.game.config.privacy_weight
        z = game.extractor(x)
        cross_entropy = self._cross_entropy(z, u)
        u_onehot = one_hot(u, game.private.values()).float()
        j = mutual_information(game.critic, x, z, u_onehot, config.negatives, config.mi_estimator)
        losses = (-weight * cross_entropy - (1 - weight) * j, cross_entropy, -j)
        gradients: list[list[Tensor | None]] = []
        for network, loss in zip(self.networks, losses, strict=True):
            game.zero_grad(set_to_none=True)
            torch.autograd.backward(loss, retain_graph=len(gradients) < 2)
            gradients.append([p.grad for p in network.parameters()])
        for network, own in zip(self.networks, gradients, strict=True):
            for parameter, gradient in zip(network.parameters(), own, strict=True):
                parameter.grad = gradient
        return cross_entropy.detach(), j.detach()

    def _cross_entropy(self, z: Tensor, u: Tensor) -> Tensor:
        parts = [
            self.game.weights[i] * F.cross_entropy(adversary(z), u[:, i]) / len(ensemble)
            for i, ensemble in enumerate(self.game.adversaries)
            if isinstance(ensemble, nn.ModuleList)
            for adversary in ensemble
        ]
        return torch.stack(parts).sum()


def mutual_information(
    critic: nn.Module,
    x: Tensor,
    z: Tensor,
    u: Tensor,
    negatives: int,
    mi_estimator: MiEstimator = "jsd",
) -> Tensor:
    """J; the published critic runs in full for each record that it scores.

    Args:
        critic: The published one, or any other critic of a game.
        x: Records `[B, *shape]`.
        z: Features `[B, ...]`.
        u: One-hot private attributes, joined `[B, K]`.
        negatives: Other records to compare each record with, 1 to B - 1.
        mi_estimator: The estimator, in `ESTIMATORS`.
    """
    if not isinstance(critic, PublishedCritic):
        j: Tensor = critic(x, z, u, negatives, mi_estimator)
        return j
    joint = critic.score(x, z, u)
    product = [critic.score(x.roll(r, 0), z, u) for r in range(1, negatives + 1)]
    return ESTIMATORS[mi_estimator](joint, torch.stack(product), None)
