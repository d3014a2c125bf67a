"""What happens to features before they leave a device: noise and quantisation of a bounded z.

Without them an extractor is a deterministic map of real numbers and no finite upper bound on what
features tell of a record exists. With them there is one: tiprdc/models/capacity.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup


class Channel(nn.Module):
    """Whitened features `[B, D]` -> what is sent `[B, D]`.

    Bounded, then noisy, then quantised. Quantisation comes last, so that what is sent fits into
    `bits` a feature, and so that no low-order digit of the noisy number is left to read.

    Args:
        clip: b of the range [-b, b], or 0 for none.
        noise: Standard deviation of Gaussian noise, drawn anew whenever z is made, or 0.
        bits: log2 of the number of levels from -b to b, or 0 for none; needs bounded.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(self, clip: float, noise: float, bits: int) -> None:
        super().__init__()
        self.clip, self.noise, self.bits = clip, noise, bits

    @property
    def is_deterministic(self) -> bool:
        """Whether what is sent is a smooth function of the record: no noise, no levels."""
        return not (self.noise or self.bits)

    def bound(self, z: Tensor) -> Tensor:
        """b tanh(z / b): close to z where z is small, within [-b, b] everywhere."""
        return self.clip * torch.tanh(z / self.clip) if self.clip else z

    def forward(self, z: Tensor) -> Tensor:
        """Noise and levels on features that are bounded already."""
        if self.noise:
            drawn = self.group.randn_like(z) if self.training else torch.randn_like(z)
            z = z + self.noise * drawn
        if not self.bits:
            return z
        levels = self._nearest_level(z)
        # The gradient goes straight through: that of a staircase is 0 everywhere
        # (Bengio et al. 2013).
        return z + (levels - z).detach() if self.training else levels

    def _nearest_level(self, z: Tensor) -> Tensor:
        step = 2 * self.clip / (2**self.bits - 1)
        inside = z.clamp(-self.clip, self.clip)
        level: Tensor = torch.round((inside + self.clip) / step) * step - self.clip
        return level
