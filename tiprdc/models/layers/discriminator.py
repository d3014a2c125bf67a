"""A residual perceptron that reads private attributes from features: the head's adversary.

Source: He et al. 2016 (CVPR), residual blocks; Ba et al. 2016, layer norms before each.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

_WIDTH, _EXPANSION, _BLOCKS = 192, 2, 3


class Discriminator(nn.Module):
    """Features `[B, D]` -> joined logits, and whatever else is predicted beside them `[B, K]`.

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

    def forward(self, z: Tensor) -> Tensor:
        h = self.lift(z)
        for up, down in zip(self.up, self.down, strict=True):
            h = h + down(F.gelu(up(_normalised(h))))
        out: Tensor = self.out(_normalised(h))
        return out


def _normalised(h: Tensor) -> Tensor:
    return F.layer_norm(h, h.shape[1:])
