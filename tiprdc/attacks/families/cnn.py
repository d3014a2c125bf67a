"""Convolutional networks on pictures, and on features that a linear layer reshapes to a map."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.attacks.base import Attack, Attacker, kind_of
from tiprdc.attacks.families.torch_attack import NetworkSpec, as_tensor, fit_network
from tiprdc.attacks.scaling import whiten

PICTURE_WIDTHS = ((16, 32, 64), (32, 64, 128))
"""Channels after each halving on pictures; a budget of n tries the first n."""
FEATURE_WIDTHS = ((8, 32, 64), (16, 64, 128))
"""Channels of the 8 x 8 map and after each halving; a budget of n tries the first n."""


class CnnAttack(Attack):
    """A small CNN that fits the shape of the representation."""

    name = "cnn"
    uses_gpu = True
    random = True
    most_records = 4000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        if kind_of(z) == "picture":
            specs = [
                NetworkSpec(build=partial(picture_network, widths), epochs=14, learning_rate=8e-3)
                for widths in PICTURE_WIDTHS[:budget]
            ]
            return fit_network(specs, as_pixels, z, u, classes, seed)
        specs = [
            NetworkSpec(build=partial(_feature_network, widths), epochs=15)
            for widths in FEATURE_WIDTHS[:budget]
        ]
        scaling = whiten(z, seed)
        return fit_network(specs, as_tensor(scaling), z, u, classes, seed)


def as_pixels(z: NDArray[Any]) -> Tensor:
    """A network's input for pictures: uint8 `[N, C, H, W]` -> float in about [-2, 2]."""
    return (torch.tensor(z).float() - 127.5) / 64


def _halving(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def picture_network(widths: tuple[int, ...], record: Tensor, classes: int) -> nn.Module:
    """A network on pictures `[B, C, H, W]` whose last layer gives logits `[B, K]`."""
    layers: list[nn.Module] = []
    inputs = record.shape[0]
    for width in widths:
        layers += _halving(inputs, width)
        inputs = width
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, *head, nn.Linear(16 * inputs, classes))


def _feature_network(widths: tuple[int, ...], record: Tensor, classes: int) -> nn.Module:
    first, middle, last = widths
    unflatten = [nn.Linear(len(record), first * 64), nn.Unflatten(1, (first, 8, 8)), nn.ReLU()]
    layers = [*_halving(first, middle), *_halving(middle, last), nn.Flatten(), nn.Dropout(0.3)]
    return nn.Sequential(*unflatten, *layers, nn.Linear(4 * last, classes))
