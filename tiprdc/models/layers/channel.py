"""Clip, noise and quantisation of features before they are released.

Without them an extractor is a deterministic map of real numbers, and the information that features
carry about a record has no finite upper bound. With them it has: tiprdc/models/capacity.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup


class Channel(nn.Module):
    """Bounded features `[B, D]` -> released features `[B, D]`.

    `bound` comes first, then noise, then quantisation. Quantisation is last, so that a released
    feature fits into `bits` and no low-order digit of the noisy number is left.

    Args:
        clip: b of the range [-b, b], or 0 for none.
        noise: Standard deviation of Gaussian noise, drawn anew for every z, or 0.
        bits: log2 of the number of levels from -b to b, or 0 for none; needs a clip.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(self, clip: float, noise: float, bits: int) -> None:
        super().__init__()
        self.clip, self.noise, self.bits = clip, noise, bits

    @property
    def is_deterministic(self) -> bool:
        """Whether released features are a smooth function of the record: no noise, no levels."""
        return not (self.noise or self.bits)

    def bound(self, z: Tensor) -> Tensor:
        """b tanh(z / b): close to z where z is small, within [-b, b] everywhere."""
        return self.clip * torch.tanh(z / self.clip) if self.clip else z

    def forward(self, z: Tensor) -> Tensor:
        """Noise and levels on bounded features."""
        if self.noise:
            noise = self.group.randn_like(z) if self.training else torch.randn_like(z)
            z = z + self.noise * noise
        if not self.bits:
            return z
        levels = self._nearest_level(z)
        # Straight-through gradient: that of a staircase is 0 everywhere (Bengio et al. 2013).
        return z + (levels - z).detach() if self.training else levels

    def _nearest_level(self, z: Tensor) -> Tensor:
        step = 2 * self.clip / (2**self.bits - 1)
        clipped = z.clamp(-self.clip, self.clip)
        level: Tensor = torch.round((clipped + self.clip) / step) * step - self.clip
        return level
