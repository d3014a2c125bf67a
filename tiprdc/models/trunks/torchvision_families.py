"""torchvision's picture networks by name: how each is built, and where it can be cut.

Weights have torchvision's names and shapes, so that its pretrained files fit
(tiprdc/models/trunks/pretrained.py).

Source: Simonyan & Zisserman 2015 (VGG), He et al. 2016 (ResNet), Howard et al. 2019 (MobileNetV3),
Tan & Le 2019 (EfficientNet), Liu et al. 2022 (ConvNeXt), Dosovitskiy et al. 2021 (ViT); Li et al.
2020 (TIPRDC) cuts VGG16 after block 2.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple

from torch import nn

from tiprdc.errors import ConfigError
from tiprdc.models.trunks.batch_norm import BatchNorm, use_whole_batch

BackboneFamily = Literal[
    "vgg16_bn", "resnet18", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0",
    "convnext_tiny", "vit_b_16",
]  # fmt: skip
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Normalisation of every family's pretrained weights, of pictures in 0..1."""
PATCH = 16
"""Pixels a side of a patch of vit_b_16."""

_VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block."""
_WHERE = "train.extractor.cut"


class Architecture(NamedTuple):
    """How a family is built and cut.

    Args:
        build: Side lengths (H, W) -> the network, with weights of torchvision's names.
        first: Number of the first block after which it can be cut.
        nodes: The last operation of each block from there on, as names of
            torchvision.models.feature_extraction.
        local: The operation after which the map has a quarter of the picture's sides, or the
            size nearest to it.
        least: Pixels that the first block needs a side, twice as many for each further one; 0
            if a picture of any size will do.
    """

    build: Callable[[tuple[int, int]], nn.Module]
    first: int
    nodes: tuple[str, ...]
    local: str
    least: int = 0

    @property
    def cuts(self) -> tuple[int, int]:
        """First and last block after which it can be cut."""
        return self.first, self.first + len(self.nodes) - 1

    def cut(self, block: int) -> tuple[str, str]:
        """The operations of the local map and of the last map, of a network cut after a block."""
        last = self.nodes[block - self.first]
        return (last if self.local in self.nodes[block - self.first :] else self.local), last


def vgg16_bn_blocks(first: int, last: int) -> nn.Sequential:
    """Blocks of VGG16 with batch normalisation: `[B, C, H, W] -> [B, C', H / 2^n, W / 2^n]`.

    torchvision builds only the whole network, with 120 million weights behind the blocks.

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


def _vgg16_bn(size: tuple[int, int]) -> nn.Module:
    return nn.Sequential(OrderedDict(features=vgg16_bn_blocks(1, 5)))


def _torchvision(name: str, **options: float) -> Callable[[tuple[int, int]], nn.Module]:
    def build(size: tuple[int, int]) -> nn.Module:
        # Here, since torchvision loads torch's compiler: seconds for workers of other networks.
        from torchvision.models import get_model

        return use_whole_batch(get_model(name, **options))

    return build


def _vit_b_16(size: tuple[int, int]) -> nn.Module:
    from torchvision.models import get_model

    height, width = size
    if height != width or height % PATCH:
        raise ConfigError(
            "train.extractor.family", f"vit_b_16 for pictures of {height} x {width}",
            f"as many rows as columns, a multiple of {PATCH}",
            f"prepare pictures of {max(1, round(height / PATCH)) * PATCH} pixels a side",
        )  # fmt: skip
    network: nn.Module = get_model("vit_b_16", image_size=height)
    return network


# Whole blocks are never dropped at random: each worker would draw others.
_DEPTH = {"stochastic_depth_prob": 0.0}
FAMILIES: dict[BackboneFamily, Architecture] = {
    "vgg16_bn": Architecture(
        _vgg16_bn, 1, tuple(f"features.{n}" for n in (6, 13, 23, 33, 43)), "features.13", 2
    ),
    "resnet18": Architecture(
        _torchvision("resnet18"), 0, ("maxpool", "layer1", "layer2", "layer3", "layer4"), "maxpool"
    ),
    "mobilenet_v3_small": Architecture(
        _torchvision("mobilenet_v3_small"), 1,
        tuple(f"features.{n}" for n in (0, 1, 3, 8, 12)), "features.1",
    ),
    "mobilenet_v3_large": Architecture(
        _torchvision("mobilenet_v3_large"), 1,
        tuple(f"features.{n}" for n in (1, 3, 6, 12, 16)), "features.3",
    ),
    "efficientnet_b0": Architecture(
        _torchvision("efficientnet_b0", **_DEPTH), 1,
        tuple(f"features.{n}" for n in (1, 2, 3, 5, 8)), "features.2",
    ),
    "convnext_tiny": Architecture(
        _torchvision("convnext_tiny", **_DEPTH), 1,
        tuple(f"features.{n}" for n in (1, 3, 5, 7)), "features.1", 4,
    ),
    "vit_b_16": Architecture(
        _vit_b_16, 1, tuple(f"encoder.layers.encoder_layer_{n}" for n in range(12)), "conv_proj"
    ),
}  # fmt: skip


def check_size(family: BackboneFamily, cut: int, size: tuple[int, int]) -> None:
    """Refuse pictures that are too small for so many blocks.

    Raises:
        ConfigError: The message says how many pixels they need.
    """
    architecture = FAMILIES[family]
    least = architecture.least * 2 ** (cut - architecture.first)
    if min(size) < least:
        raise ConfigError(
            _WHERE, f"{cut} blocks for pictures of {size[0]} x {size[1]}",
            f"at least {least} pixels a side for {cut} blocks",
            "cut earlier, or prepare larger pictures",
        )  # fmt: skip
