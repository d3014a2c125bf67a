"""Multi-layer perceptrons: the attack that is most like the method's own adversary."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.torch_attack import NetworkSpec, as_tensor, fit_network
from tiprdc.attacks.scaling import whiten

SIZES: tuple[tuple[tuple[int, ...], float], ...] = (
    ((512,), 0.5),
    ((512, 128), 0.5),
    ((1024,), 0.6),
    ((128, 128, 128), 0.2),
)
"""Hidden widths and dropout; a budget of n tries the first n."""


class MlpAttack(Attack):
    """Perceptrons with batch normalisation and dropout."""

    name = "mlp"
    random = True
    most_records = 8000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        scaling = whiten(z, seed)
        specs = [
            NetworkSpec(build=partial(perceptron, sizes, dropout), epochs=15, learning_rate=4e-3)
            for sizes, dropout in SIZES[:budget]
        ]
        return fit_network(specs, as_tensor(scaling), z, u, classes, seed)


def perceptron(sizes: tuple[int, ...], dropout: float, record: Tensor, classes: int) -> nn.Module:
    """Hidden layers of these sizes, and a last layer that gives logits `[B, K]`."""
    layers: list[nn.Module] = []
    width = len(record)
    for size in sizes:
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.GELU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, classes))
