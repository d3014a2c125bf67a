"""Common base of the attacks by a neural network: training, model choice, the fitted attacker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tiprdc.attacks.base import Attacker, class_frequencies, inner_holdout, log_loss
from tiprdc.attacks.best_pass import train_best_pass
from tiprdc.attacks.device import attack_device
from tiprdc.attacks.scaling import Scaling
from tiprdc.models.seeds import seeded

HOLDOUT = 0.15
"""Share of attacker-train that selects the pass and the configuration."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """How one network is built and trained.

    Args:
        build: (one prepared record, K) -> network giving logits `[B, K]`.
        epochs: Passes over attacker-train. All are made, since a leak is often found only after the
            holdout loss has stalled for a while; the best one on the holdout is kept.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
    """

    build: Callable[[Tensor, int], nn.Module]
    epochs: int
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


class NetworkAttacker(Attacker):
    """A trained network and the preparation of its input."""

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        prepare: Callable[[NDArray[Any]], Tensor],
        network: nn.Module,
    ) -> None:
        super().__init__(frequencies)
        self.prepare, self.network = prepare, network

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return _posterior(self.network, self.prepare(z))


def fit_network(
    specs: Sequence[NetworkSpec],
    prepare: Callable[[NDArray[Any]], Tensor],
    z: NDArray[Any],
    u: NDArray[np.int64],
    classes: int,
    seed: int,
) -> NetworkAttacker:
    """Train a network for each spec and keep the one that did best on the inner holdout.

    Args:
        specs: At least one.
        prepare: Fitted on attacker-train, z -> input of the networks `[N, ...]`.
        z, u, classes, seed: As in `Attack.fit`.
    """
    rows = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
    inputs, frequencies = prepare(z), class_frequencies(u, classes)
    best: tuple[float, nn.Module | None] = (np.inf, None)
    device = attack_device()
    for spec in specs:
        with seeded(seed, device):
            # Built on the CPU: the first weights are the same on every device.
            network = spec.build(inputs[0], classes).to(device)
            loss = _train(spec, network, inputs.to(device), u, rows, frequencies)
            # Whoever scores the attacker may have no GPU.
            network.to("cpu")
            if best[1] is None or loss < best[0]:
                best = (loss, network)
    assert best[1] is not None
    return NetworkAttacker(frequencies, prepare, best[1])


def _train(
    spec: NetworkSpec,
    network: nn.Module,
    inputs: Tensor,
    u: NDArray[np.int64],
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    frequencies: NDArray[np.float64],
) -> float:
    """Train in place where the inputs are, and end with the weights of the best pass; returns
    their holdout loss."""
    inside, outside = (torch.from_numpy(part) for part in rows)
    device = inputs.device
    truth = torch.tensor(u, device=device)  # a copy, since Ray's arrays are read-only

    def batch_loss(batch: Tensor) -> Tensor:
        batch = batch.to(device)
        return functional.cross_entropy(network(inputs[batch]), truth[batch])

    def holdout_loss() -> float:
        balanced = _posterior(network, inputs[outside.to(device)]) / frequencies
        return log_loss(balanced / balanced.sum(1, keepdims=True), u[rows[1]])

    # At least 16 steps a pass, so that few people do not mean a network hardly trained.
    steps = -(-len(inside) // min(256, max(32, len(inside) // 16)))
    return train_best_pass(
        network, inside, batch_loss, holdout_loss, passes=spec.epochs, steps=steps,
        learning_rate=spec.learning_rate, weight_decay=spec.weight_decay, warmup=0.2,
    )  # fmt: skip


@torch.no_grad()
def _posterior(network: nn.Module, inputs: Tensor) -> NDArray[np.float64]:
    network.eval()
    logits = torch.cat([network(part) for part in torch.split(inputs, 512)])
    return np.asarray(functional.softmax(logits.double(), dim=1).cpu().numpy())


def as_tensor(scaling: Scaling) -> Callable[[NDArray[Any]], Tensor]:
    """The scaling as a preparation of networks' input: `[N, ...]` -> tensor `[N, P]`."""
    return partial(_scaled, scaling)


def _scaled(scaling: Scaling, z: NDArray[Any]) -> Tensor:
    return torch.from_numpy(scaling(z))
