"""What the attacks by a network share: training, the pass that is kept, the fitted attacker."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tiprdc.attacks.base import Attacker, class_shares, inner_holdout, log_loss
from tiprdc.attacks.scaling import Scaling

HOLDOUT = 0.15
"""Share of attacker-train that chooses among passes and configurations."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained.

    Args:
        make: (one prepared record, K) -> network giving logits `[B, K]`.
        epochs: Passes over attacker-train, all of them made: a leak is often found only after the
            holdout has looked hopeless for a while. The best of them on the holdout is kept.
        rate: Peak learning rate of AdamW.
        decay: Its weight decay.
    """

    make: Callable[[Tensor, int], nn.Module]
    epochs: int
    rate: float = 2e-3
    decay: float = 1e-2


class NetworkAttacker(Attacker):
    """A trained network behind what it wants to see of z."""

    def __init__(
        self,
        shares: NDArray[np.float64],
        prepare: Callable[[NDArray[Any]], Tensor],
        network: nn.Module,
    ) -> None:
        super().__init__(shares)
        self.prepare, self.network = prepare, network

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return _posterior(self.network, self.prepare(z))


def fit_network(
    recipes: Sequence[Recipe],
    prepare: Callable[[NDArray[Any]], Tensor],
    z: NDArray[Any],
    u: NDArray[np.int64],
    classes: int,
    seed: int,
) -> NetworkAttacker:
    """Train each recipe and keep the network that did best on the inner holdout.

    Args:
        recipes: At least one.
        prepare: Fitted on attacker-train, z -> what the networks see `[N, ...]`.
        z, u, classes, seed: As in `Attack.fit`.
    """
    inside, outside = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
    seen, shares = prepare(z), class_shares(u, classes)
    best: tuple[float, nn.Module | None] = (np.inf, None)
    with torch.random.fork_rng(devices=[]):
        for recipe in recipes:
            torch.manual_seed(seed)
            network = recipe.make(seen[0], classes)
            loss = _train(recipe, network, seen, u, (inside, outside), shares)
            if best[1] is None or loss < best[0]:
                best = (loss, network)
    assert best[1] is not None
    return NetworkAttacker(shares, prepare, best[1])


def _train(
    recipe: Recipe,
    network: nn.Module,
    z: Tensor,
    u: NDArray[np.int64],
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    shares: NDArray[np.float64],
) -> float:
    """Train in place, end with the weights that did best on the holdout, return their loss."""
    inside, outside = (torch.from_numpy(part) for part in rows)
    truth = torch.tensor(u)  # a copy: Ray hands out arrays that must not be written to
    optimiser = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.decay)
    # At least 16 steps a pass, so that few people do not mean a network hardly trained.
    steps = -(-len(inside) // min(256, max(32, len(inside) // 16)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, epochs=recipe.epochs, steps_per_epoch=steps, pct_start=0.2
    )
    best, weights = np.inf, copy.deepcopy(network.state_dict())
    for _ in range(recipe.epochs):
        network.train()
        for batch in inside[torch.randperm(len(inside))].tensor_split(steps):
            loss = functional.cross_entropy(network(z[batch]), truth[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            schedule.step()
        balanced = _posterior(network, z[outside]) / shares
        held = log_loss(balanced / balanced.sum(1, keepdims=True), u[rows[1]])
        if held < best:
            best, weights = held, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return best


@torch.no_grad()
def _posterior(network: nn.Module, z: Tensor) -> NDArray[np.float64]:
    network.eval()
    logits = torch.cat([network(part) for part in torch.split(z, 512)])
    return np.asarray(functional.softmax(logits.double(), dim=1).numpy())


def as_tensor(scaling: Scaling) -> Callable[[NDArray[Any]], Tensor]:
    """The scaling, as what a network sees."""
    return partial(_scaled, scaling)


def _scaled(scaling: Scaling, z: NDArray[Any]) -> Tensor:
    return torch.from_numpy(scaling(z))
