"""The extractor f: record x -> features z. The only network that ever leaves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.trunk import Family, resolve, trunk


@dataclass(frozen=True, kw_only=True)
class ExtractorConfig:
    """The extractor's architecture (`train.extractor`)."""

    family: Family = "auto"
    """cnn for pictures, mlp for tables, lstm for text; auto chooses by the data."""
    width: int = 32
    """Channels after the first convolution, or units of a hidden layer divided by 4, 8 to 1024."""
    features: int = 128
    """Width D of the features z, 2 to 4096."""

    def __post_init__(self) -> None:
        if not 8 <= self.width <= 1024:
            raise ConfigError("train.extractor.width", self.width, "8 to 1024")
        if not 2 <= self.features <= 4096:
            raise ConfigError("train.extractor.features", self.features, "2 to 4096")

    def trunk_width(self, spec: InputSpec) -> int:
        """Width in the trunk's own unit: channels, or units."""
        return self.width if resolve(self.family, spec) == "cnn" else 4 * self.width


class Extractor(nn.Module):
    """Raw record `[B, *shape]` -> features `[B, D]`, each of mean 0 and variance 1 in training.

    The last layer standardises without learnt scale, so that neither noise nor a closed-form
    adversary can be escaped by making features large or small.
    """

    def __init__(self, config: ExtractorConfig, spec: InputSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.normalise = normaliser(spec)
        self.trunk = trunk(config.family, spec, width=config.trunk_width(spec), out=config.features)
        self.standardise = nn.BatchNorm1d(config.features, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.standardise(self.trunk(self.normalise(x)).whole)
        return z
