"""A small convolutional network for pictures, sized for CPUs."""

from __future__ import annotations

import math

from torch import Tensor, nn

from tiprdc.models.trunks.batch_norm import BatchNorm
from tiprdc.models.trunks.trunk_output import TrunkOutput

_MAX_PATCHES = 16


class Cnn(nn.Module):
    """Normalised pictures `[B, C, H, W]` -> `TrunkOutput`: a map of patches and one vector.

    Strided 3x3 convolutions halve the map until its shorter side is about four pixels. The patches
    are those after the second convolution, each with a receptive field of 7x7 pixels.

    Args:
        channels: C.
        size: (H, W), each >= 16.
        width: Channels after the first convolution; they double twice.
        out: Width of the vector.
    """

    def __init__(self, channels: int, size: tuple[int, int], width: int, out: int) -> None:
        super().__init__()
        depth = max(3, round(math.log2(min(size) / 4)))
        widths = [width * 2 ** min(i, 2) for i in range(depth)]
        self.fine = _blocks(channels, widths[:2])
        self.coarse = _blocks(widths[1], widths[2:])
        rows, columns = (math.ceil(side / 2**depth) for side in size)
        self.out = nn.Linear(widths[-1] * rows * columns, out)
        self.local_width = widths[1]
        sides = [math.ceil(side / 4) for side in size]
        patches = [min(side, _MAX_PATCHES) for side in sides]
        pool = nn.AdaptiveAvgPool2d((patches[0], patches[1]))
        self.patches: nn.Module = nn.Identity() if sides == patches else pool
        self.positions = patches[0] * patches[1]

    def forward(self, x: Tensor) -> TrunkOutput:
        fine = self.fine(x)
        vector = self.out(self.coarse(fine).flatten(1))
        local = self.patches(fine).flatten(2).transpose(1, 2)
        return TrunkOutput(local=local, mask=None, global_=vector)


def _blocks(channels: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
            BatchNorm(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers)
