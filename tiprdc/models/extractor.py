"""The extractor f: record x -> features z. The only network that is published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from tiprdc.errors import ConfigError, check_range
from tiprdc.models.backbone import CUTS
from tiprdc.models.channel import Channel
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.leace import LeaceLayer
from tiprdc.models.trunk import Family, Trunk, resolve, trunk
from tiprdc.models.whitening import Whitening


@dataclass(frozen=True, kw_only=True)
class ExtractorConfig:
    """The extractor's architecture (`train.extractor`)."""

    family: Family = "auto"
    """cnn, vgg16_bn or resnet18 for pictures, mlp for tables, bag, lstm or transformer for text;
    auto chooses by the data: cnn, mlp or bag."""
    width: int = 32
    """Channels after the first convolution, or units of a hidden layer divided by 4, 8 to 1024."""
    features: int = 24
    """Width D of the features z, 2 to 4096."""
    cut: int = 2
    """The last block kept of vgg16_bn (1 to 5) or resnet18 (0, the stem, to 4)."""
    pretrained: str | None = None
    """A local file with torchvision's weights of that network, to start from; None for none."""
    depth: int = 2
    """Layers of a transformer, 1 to 12."""
    heads: int = 4
    """Attention heads in each layer of a transformer, 1 to 16; they divide four times the width."""
    leace: bool = False
    """Whether what linear attackers would find is erased after training; of the twin never."""
    clip: float = 0.0
    """b: each feature is squashed into [-b, b], in standard deviations of z, 0.1 to 100; 0: not."""
    release_noise: float = 0.0
    """Gaussian noise on z in training and at release, in standard deviations of z, 0 to 100."""
    bits: int = 0
    """Each feature is sent as one of 2^bits levels from -bounded to bounded, 1 to 16; 0: not."""

    def __post_init__(self) -> None:
        if not 8 <= self.width <= 1024:
            raise ConfigError("train.extractor.width", self.width, "8 to 1024")
        if not 2 <= self.features <= 4096:
            raise ConfigError("train.extractor.features", self.features, "2 to 4096")
        check_range("train.extractor.depth", self.depth, 1, 12)
        check_range("train.extractor.heads", self.heads, 1, 16)
        if self.clip:
            check_range("train.extractor.clip", self.clip, 0.1, 100)
        check_range("train.extractor.release_noise", self.release_noise, 0, 100)
        check_range("train.extractor.bits", self.bits, 0, 16)
        if self.bits and not self.clip:
            raise ConfigError(
                "train.extractor.bits", f"{self.bits} bits of features without bounds",
                "levels between -bounded and bounded", "set train.extractor.clip, such as 3",
            )  # fmt: skip
        if self.family in ("vgg16_bn", "resnet18"):
            check_range("train.extractor.cut", self.cut, *CUTS[self.family])
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

    def unprotected(self) -> ExtractorConfig:
        """The same with neither guard, bound, noise nor levels: what the twin is."""
        return replace(self, leace=False, clip=0.0, release_noise=0.0, bits=0)

    def trunk(self, spec: InputSpec, out: int) -> Trunk:
        """A new trunk of this architecture, whose `whole` is `[B, out]`."""
        return trunk(
            self.family, spec, width=self.trunk_width(spec), out=out,
            cut=self.cut, depth=self.depth, heads=self.heads,
        )  # fmt: skip

    def trunk_width(self, spec: InputSpec) -> int:
        """Width in the trunk's own unit: channels, or units."""
        return self.width if resolve(self.family, spec) == "cnn" else 4 * self.width


class Extractor(nn.Module):
    """Raw record `[B, *shape]` -> released features `[B, D]`: trunk, whitening, LEACE, channel.

    With whitening the last layer has no learnt scale: an extractor cannot escape noise or an
    adversary by making features, or directions among them, large or small. With a bottleneck
    features are not whitened, since their scale is what the price is paid for
    (tiprdc/objectives/bottleneck.py).

    Args:
        config: The architecture.
        spec: What a record is.
        whiten: Whether features are whitened.
        unit_noise: Whether features are released with Gaussian noise of deviation 1, in place of
            `config.release_noise`: z ~ N(m(x), 1).
    """

    def __init__(
        self,
        config: ExtractorConfig,
        spec: InputSpec,
        *,
        whiten: bool = True,
        unit_noise: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.normalise = normaliser(spec)
        self.trunk = config.trunk(spec, out=config.features)
        self.whiten = Whitening(config.features) if whiten else nn.Identity()
        self.leace = LeaceLayer(config.features) if config.leace else nn.Identity()
        noise = 1.0 if unit_noise else config.release_noise
        self.channel = Channel(config.clip, noise, config.bits)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.channel(self.features_before_noise(x))
        return z

    def features_before_noise(self, x: Tensor) -> Tensor:
        """Features `[B, D]` before noise and levels: a smooth function of the record."""
        return self.channel.bound(self.leace(self.whitened(x)))

    def whitened(self, x: Tensor) -> Tensor:
        """Features `[B, D]` before LEACE and channel: what LEACE is fitted on."""
        z: Tensor = self.whiten(self.trunk(self.normalise(x)).global_)
        return z

    def fold(self) -> None:
        """Put whitening into the trunk's last layer, once training is over."""
        if isinstance(self.whiten, Whitening):
            self.whiten.fold_into(self.trunk.out)
