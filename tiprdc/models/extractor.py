"""The extractor f: record x -> features z. The only network that ever leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tiprdc.errors import ConfigError, within
from tiprdc.models.backbone import CUTS
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.trunk import Family, resolve, trunk

_FLATTEST = 3e-3
"""Least variance of a direction, as a share of the mean, that whitening brings up to 1."""


@dataclass(frozen=True, kw_only=True)
class ExtractorConfig:
    """The extractor's architecture (`train.extractor`)."""

    family: Family = "auto"
    """cnn, vgg16_bn or resnet18 for pictures, mlp for tables, lstm for text; auto chooses by the
    data: cnn, mlp or lstm."""
    width: int = 32
    """Channels after the first convolution, or units of a hidden layer divided by 4, 8 to 1024."""
    features: int = 128
    """Width D of the features z, 2 to 4096."""
    cut: int = 2
    """The last block kept of vgg16_bn (1 to 5) or resnet18 (0, the stem, to 4)."""
    pretrained: str | None = None
    """A local file with torchvision's weights of that network, to start from; None for none."""

    def __post_init__(self) -> None:
        if not 8 <= self.width <= 1024:
            raise ConfigError("train.extractor.width", self.width, "8 to 1024")
        if not 2 <= self.features <= 4096:
            raise ConfigError("train.extractor.features", self.features, "2 to 4096")
        if self.family in ("vgg16_bn", "resnet18"):
            within("train.extractor.cut", self.cut, *CUTS[self.family])
        elif self.pretrained:
            raise ConfigError(
                "train.extractor.pretrained", f"a file for family {self.family}",
                f"a file only for {' and '.join(CUTS)}", "set it to null, or choose the family",
            )  # fmt: skip

    def absolute(self) -> ExtractorConfig:
        """The same with an absolute path of pretrained weights: workers run in other folders."""
        path = str(Path(self.pretrained).resolve()) if self.pretrained else None
        return replace(self, pretrained=path)

    def started(self) -> ExtractorConfig:
        """The same without pretrained weights: what they became is in the checkpoint."""
        return replace(self, pretrained=None)

    def trunk_width(self, spec: InputSpec) -> int:
        """Width in the trunk's own unit: channels, or units."""
        return self.width if resolve(self.family, spec) == "cnn" else 4 * self.width


class Whitening(nn.Module):
    """Features `[B, D]` with mean 0, variance 1 and no correlation, by running statistics.

    Under an adversary a network hides the attribute in directions of little variance, where
    adversaries that see standardised columns overlook it and an attacker who whitens does not.
    Whitened features have no such directions. In evaluation this is one linear map.

    Args:
        width: D.
        momentum: Share of a batch in the running mean and covariance.
    """

    mean: Tensor
    covariance: Tensor
    transform: Tensor

    def __init__(self, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("covariance", torch.eye(width))
        self.register_buffer("transform", torch.eye(width))

    def forward(self, h: Tensor) -> Tensor:
        if not self.training:
            return (h - self.mean) @ self.transform
        # In mixed precision the directions that are lifted most would be mostly rounding.
        with torch.autocast(h.device.type, enabled=False):
            h = h.float()
            self._update(h.detach())
            return (h - self.mean) @ self.transform

    @torch.no_grad()
    def _update(self, h: Tensor) -> None:
        self.mean.lerp_(h.mean(0), self.momentum)
        centred = h - self.mean
        self.covariance.lerp_(centred.T @ centred / len(h), self.momentum)
        variance, axes = torch.linalg.eigh(self.covariance)
        floor = _FLATTEST * variance.mean()
        self.transform.copy_((axes * variance.clamp(min=floor).rsqrt()) @ axes.T)


class Extractor(nn.Module):
    """Raw record `[B, *shape]` -> whitened features `[B, D]`.

    The last layer has no learnt scale, so that neither noise nor an adversary can be escaped by
    making features, or directions among them, large or small.
    """

    def __init__(self, config: ExtractorConfig, spec: InputSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.normalise = normaliser(spec)
        self.trunk = trunk(
            config.family, spec,
            width=config.trunk_width(spec), out=config.features, cut=config.cut,
        )  # fmt: skip
        self.whiten = Whitening(config.features)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.whiten(self.trunk(self.normalise(x)).whole)
        return z
