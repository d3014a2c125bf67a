"""torchvision's picture networks, cut after a block.

A cut keeps the first blocks only. A later cut gives features that describe more of the content and
less of the appearance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tiprdc.models.trunks.batch_norm import BatchNorm
from tiprdc.models.trunks.torchvision_families import (
    FAMILIES,
    IMAGENET_MEAN,
    IMAGENET_STD,
    BackboneFamily,
    check_size,
)
from tiprdc.models.trunks.trunk_output import TrunkOutput

_GRID, _MAX_PATCHES = 4, 16


class Backbone(nn.Module):
    """Normalised pictures `[B, 3, H, W]` -> `TrunkOutput`: a map of patches and one vector.

    The patches are those of the map at a quarter of the picture's sides, or of the size nearest to
    it, at most 16 x 16. The vector is a linear map of the last map, averaged to 4 x 4.

    Args:
        family: The network.
        cut: The last block that is used.
        size: (H, W).
        out: Width of the vector.

    Raises:
        ConfigError: The pictures are too small for this number of blocks, or of a size that the
            network does not take.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, family: BackboneFamily, cut: int, size: tuple[int, int], out: int) -> None:
        super().__init__()
        # Here, since torchvision loads torch's compiler: seconds for workers of other networks.
        from torchvision.models.feature_extraction import create_feature_extractor

        check_size(family, cut, size)
        self.family, self.size = family, size
        self.local_node, self.last_node = FAMILIES[family].cut(cut)
        self.layers = create_feature_extractor(
            FAMILIES[family].build(size), [self.local_node, self.last_node],
            tracer_kwargs={"leaf_modules": [BatchNorm]},
        )  # fmt: skip
        local, last = self._shapes()
        patches, grid = _at_most(local[1:], _MAX_PATCHES), _at_most(last[1:], _GRID)
        self.patches, self.grid = nn.AdaptiveAvgPool2d(patches), nn.AdaptiveAvgPool2d(grid)
        self.local_width, self.positions = local[0], math.prod(patches)
        self.out = nn.Linear(last[0] * math.prod(grid), out)
        # From the normalisation of tiprdc/models/inputs.py to that of torchvision's weights.
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("scale", (64 / 255 / std)[:, None, None], persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / std)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> TrunkOutput:
        local, last = self.maps(x * self.scale + self.shift)
        local = self.patches(local).flatten(2).transpose(1, 2)
        return TrunkOutput(local=local, mask=None, global_=self.out(self.grid(last).flatten(1)))

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures as torchvision normalises them -> the local and the last map `[B, C, H, W]`."""
        of_nodes = self.layers(x)
        return _as_map(of_nodes[self.local_node]), _as_map(of_nodes[self.last_node])

    @torch.no_grad()
    def _shapes(self) -> list[tuple[int, ...]]:
        """(C, H, W) of the local and of the last map."""
        self.eval()
        shapes = [tuple(m.shape[1:]) for m in self.maps(torch.zeros(1, 3, *self.size))]
        self.train()
        return shapes


def _as_map(h: Tensor) -> Tensor:
    """A map as it is; a transformer's tokens `[B, 1 + H^2, C]` without the first, of the class."""
    if h.ndim == 4:
        return h
    return torch.unflatten(h[:, 1:].transpose(1, 2), 2, (math.isqrt(h.shape[1]), -1))


def _at_most(size: tuple[int, ...], limit: int) -> tuple[int, int]:
    return min(size[0], limit), min(size[1], limit)
