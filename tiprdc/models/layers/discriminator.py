"""A residual perceptron that reads the private attribute from features, with its gradient.

The flow and the head have it as their adversary (tiprdc/training/head/).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTH, _EXPANSION, _BLOCKS = 192, 2, 3
_EPSILON = 1e-5
"""Of a layer norm, on the variance."""


class Discriminator(nn.Module):
    """A residual perceptron: features `[B, D]` -> joined logits `[B, K]`, with their gradient.

    Args:
        width: D.
        out: K.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.lift = nn.Linear(width, _WIDTH)
        self.up = nn.ModuleList(nn.Linear(_WIDTH, _EXPANSION * _WIDTH) for _ in range(_BLOCKS))
        self.down = nn.ModuleList(nn.Linear(_EXPANSION * _WIDTH, _WIDTH) for _ in range(_BLOCKS))
        self.out = nn.Linear(_WIDTH, out)

    def reset(self) -> None:
        """New weights."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.out(self.body(z))
        return logits

    def body(self, z: Tensor) -> Tensor:
        """Features `[B, D]` -> normalised units `[B, W]`, which `out` reads."""
        h = self.lift(z)
        for up, down in zip(self.up, self.down, strict=True):
            h = h + down(F.gelu(up(_normalised(h)[0])))
        return _normalised(h)[0]

    def gradient(self, z: Tensor, weights: Tensor) -> Tensor:
        """Gradient of sum_k w_k l_k(z) by z.

        It is written out, so that an exported file has it without automatic differentiation.

        Args:
            z: `[B, D]`.
            weights: w `[B, K]`.

        Returns:
            `[B, D]`.
        """
        h, saved = self.lift(z), list[tuple[Tensor, Tensor, Tensor]]()
        for up, down in zip(self.up, self.down, strict=True):
            normal, inverse = _normalised(h)
            a = up(normal)
            saved.append((normal, inverse, a))
            h = h + down(F.gelu(a))
        g = _normalised_back(weights @ self.out.weight, *_normalised(h))
        blocks = reversed(list(zip(self.up, self.down, saved, strict=True)))
        for up, down, (normal, inverse, a) in blocks:
            inner = (g @ cast(Tensor, down.weight)) * _gelu_slope(a)
            g = g + _normalised_back(inner @ cast(Tensor, up.weight), normal, inverse)
        return g @ self.lift.weight


def _normalised(h: Tensor) -> tuple[Tensor, Tensor]:
    """A layer norm without weights `[B, W]`, and one over the deviation of each row `[B, 1]`."""
    centred = h - h.mean(1, keepdim=True)
    inverse = (centred.square().mean(1, keepdim=True) + _EPSILON).rsqrt()
    return centred * inverse, inverse


def _normalised_back(g: Tensor, normal: Tensor, inverse: Tensor) -> Tensor:
    """The gradient `[B, W]` by h of <g, normalised(h)>."""
    along = (g * normal).mean(1, keepdim=True)
    return inverse * (g - g.mean(1, keepdim=True) - normal * along)


def _gelu_slope(a: Tensor) -> Tensor:
    """Derivative of x Phi(x): Phi(x) + x phi(x)."""
    normal = torch.exp(-0.5 * a.square()) * 0.3989422804014327
    return 0.5 * (1 + torch.erf(a * 0.7071067811865476)) + a * normal
