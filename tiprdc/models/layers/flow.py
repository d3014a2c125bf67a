"""Discriminator gradient flow: features moved, round by round, against what a network reads of u.

    z <- (z - s_r sum_k (p_k(z0) - 1/K) grad_z l_rk(z) - m_r) / d_r           r = 1 ... R

l_r are the logits of a residual perceptron that learnt u from the features that round r gets, under
the noise of the release; p is what the transport's perceptrons guess of u on the record's own
features. A step is small, and every round has a network of its own: no adversary has to be
outrun, and features stay near those that a record had.

Source: Ansari, Ang and Soh 2021 (ICLR), who refine samples of a generator; here the classes of u
are moved towards each other.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class Round(nn.Module):
    """One step: features `[B, D]` and centred guesses `[B, K]` -> features `[B, D]`.

    Args:
        width: D.
        out: K, classes of all attributes.
    """

    step: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.discriminator = Discriminator(width, out)
        self.register_buffer("step", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(()))

    @property
    def is_idle(self) -> bool:
        """Whether it moves nobody."""
        return not bool(self.step)

    def forward(self, z: Tensor, guesses: Tensor) -> Tensor:
        moved = z - self.step * self.discriminator.gradient(z, guesses)
        return (moved - self.mean) / self.deviation


class Flow(nn.Module):
    """Features `[B, D]` and what is guessed of u -> features `[B, D]` of mean power 1.

    It starts as the identity.

    Args:
        width: D.
        classes: Number of classes of each private attribute.
        rounds: R.
    """

    def __init__(self, width: int, classes: Sequence[int], rounds: int) -> None:
        super().__init__()
        self.rounds = nn.ModuleList(Round(width, sum(classes)) for _ in range(rounds))
        self.rounds.requires_grad_(False)

    def forward(self, z: Tensor, posterior: Tensor) -> Tensor:
        """Move features.

        Args:
            z: `[B, D]`.
            posterior: Probabilities of each attribute's classes, joined `[B, K]`, less those of
                the uniform guess.
        """
        for step in self.rounds:
            z = step(z, posterior)
        return z

    def fold(self) -> None:
        """Leave out rounds that move nobody, once training is over."""
        self.rounds = nn.ModuleList(step for step in self.rounds if not cast(Round, step).is_idle)

    def round(self, number: int) -> Round:
        """Round `number`, from 0."""
        return cast(Round, self.rounds[number])


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
