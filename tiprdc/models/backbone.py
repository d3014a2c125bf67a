"""torchvision's picture networks, cut after a block: VGG16-BN and ResNet-18.

A cut keeps the first blocks only. A later cut gives features that describe more of the content and
less of the appearance. Names and shapes of the weights are torchvision's, so that its pretrained
files fit (tiprdc/models/pretrained.py).

Source: Simonyan & Zisserman 2015 (VGG), He et al. 2016 (ResNet); Li et al. 2020 (TIPRDC) cuts VGG16
after block 2.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.batch_norm import BatchNorm
from tiprdc.models.trunk_output import TrunkOutput

BackboneFamily = Literal["vgg16_bn", "resnet18"]
CUTS: dict[BackboneFamily, tuple[int, int]] = {"vgg16_bn": (1, 5), "resnet18": (0, 4)}
"""First and last block after which a family can be cut; 0 is ResNet's stem."""

_VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block; torchvision can build only the whole network."""
_GRID, _MAX_PATCHES = 4, 16
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Body(NamedTuple):
    """The layers up to a cut.

    Args:
        layers: `[B, 3, H, W]` -> `[B, C, H', W']`; names and weights are torchvision's.
        prefix: torchvision's prefix of those names.
        fine: Number of the layer after which the map has a quarter of the picture's sides, or
            the size nearest to it.
        widths: Channels after that layer, and at the end.
        sizes: (H, W) of the map after that layer, and at the end.
    """

    layers: nn.Sequential
    prefix: str
    fine: int
    widths: tuple[int, int]
    sizes: tuple[tuple[int, int], tuple[int, int]]


class Backbone(nn.Module):
    """Normalised pictures `[B, 3, H, W]` -> `TrunkOutput`: a map of patches and one vector.

    The patches are those of the map at a quarter of the picture's sides (half of them, for VGG
    after block 1), at most 16 x 16. The vector is a linear map of the last map, averaged to 4 x 4.

    Args:
        family: The network.
        cut: The last block that is used.
        size: (H, W).
        out: Width of the vector.

    Raises:
        ConfigError: The picture is too small for this number of blocks.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, family: BackboneFamily, cut: int, size: tuple[int, int], out: int) -> None:
        super().__init__()
        self.family, body = family, _BODIES[family](cut, size)
        self.layers, self.prefix, self.fine = body.layers, body.prefix, body.fine
        patches = _at_most(body.sizes[0], _MAX_PATCHES)
        grid = _at_most(body.sizes[1], _GRID)
        self.patches, self.grid = nn.AdaptiveAvgPool2d(patches), nn.AdaptiveAvgPool2d(grid)
        self.local_width, self.positions = body.widths[0], math.prod(patches)
        self.out = nn.Linear(body.widths[1] * math.prod(grid), out)
        # From the normalisation of tiprdc/models/inputs.py to that of torchvision's weights.
        mean, std = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
        self.register_buffer("scale", (64 / 255 / std)[:, None, None], persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / std)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> TrunkOutput:
        h = x * self.scale + self.shift
        local = h
        for number, layer in enumerate(self.layers):
            h = layer(h)
            if number == self.fine:
                local = self.patches(h).flatten(2).transpose(1, 2)
        return TrunkOutput(local=local, mask=None, global_=self.out(self.grid(h).flatten(1)))


def vgg16_bn_blocks(first: int, last: int) -> nn.Sequential:
    """Blocks of VGG16 with batch normalisation: `[B, C, H, W] -> [B, C', H / 2^n, W / 2^n]`.

    Args:
        first: 1 to 5.
        last: first to 5; each of the n blocks ends in a pool that halves the sides, rounding down.
    """
    layers: list[nn.Module] = []
    channels = 3 if first == 1 else _VGG16[first - 2][0]
    for width, convolutions in _VGG16[first - 1 : last]:
        for _ in range(convolutions):
            convolution = nn.Conv2d(channels, width, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
            layers += [convolution, BatchNorm(width), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _vgg16_bn(cut: int, size: tuple[int, int]) -> Body:
    if min(size) < 2**cut:
        raise ConfigError(
            "train.extractor.cut", f"{cut} blocks for pictures of {size[0]} x {size[1]}",
            f"at least {2**cut} pixels a side for {cut} blocks",
            "cut earlier, or prepare larger pictures",
        )  # fmt: skip
    layers, fine = vgg16_bn_blocks(1, cut), min(cut, 2)
    pools = [n for n, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    return Body(
        layers=layers,
        prefix="features.",
        fine=pools[fine - 1],
        widths=(_VGG16[fine - 1][0], _VGG16[cut - 1][0]),
        sizes=(_halved(size, fine, up=False), _halved(size, cut, up=False)),
    )


def _resnet18(cut: int, size: tuple[int, int]) -> Body:
    # Here, since torchvision loads torch's compiler: seconds for every worker of other networks.
    from torchvision.models import resnet18

    network = resnet18(norm_layer=BatchNorm)
    names = ["conv1", "bn1", "relu", "maxpool", *(f"layer{n}" for n in range(1, cut + 1))]
    return Body(
        layers=nn.Sequential(OrderedDict((name, getattr(network, name)) for name in names)),
        prefix="",
        fine=3,
        widths=(64, 64 * 2 ** max(cut - 1, 0)),
        sizes=(_halved(size, 2, up=True), _halved(size, 2 + max(cut - 1, 0), up=True)),
    )


_BODIES = {"vgg16_bn": _vgg16_bn, "resnet18": _resnet18}


def _halved(size: tuple[int, int], times: int, *, up: bool) -> tuple[int, int]:
    height, width = (math.ceil(s / 2**times) if up else s // 2**times for s in size)
    return height, width


def _at_most(size: tuple[int, int], limit: int) -> tuple[int, int]:
    return min(size[0], limit), min(size[1], limit)
