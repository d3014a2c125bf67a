"""The extractor f: record x -> features z. The only network that is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, cast

from msgspec import Meta
from msgspec.structs import replace
from torch import Tensor, nn

from tiprdc.errors import ConfigError, check_range
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.layers.channel import Channel
from tiprdc.models.layers.codebook import MOST_CODES, Codebook
from tiprdc.models.layers.head import Head
from tiprdc.models.layers.leace import LeaceLayer
from tiprdc.models.layers.transport import Transport
from tiprdc.models.layers.whitening import Whitening
from tiprdc.models.trunks.principal_components import PrincipalComponents
from tiprdc.models.trunks.torchvision_families import FAMILIES
from tiprdc.models.trunks.trunk import Family, Trunk, resolve, trunk
from tiprdc.settings import Settings


class ExtractorConfig(Settings, frozen=True, kw_only=True):
    """The extractor's architecture (`train.extractor`)."""

    params_key: ClassVar[str] = "train.extractor"

    family: Annotated[
        Family,
        Meta(
            description="cnn, pca (principal components, which are not trained) or a network of "
            "torchvision for pictures, pca or mlp for tables, bag, lstm or transformer for text, "
            "pca or cnn for recordings; auto: cnn, pca for few pictures, vectors and recordings, "
            "mlp for other tables, or bag.",
        ),
    ] = "auto"
    width: Annotated[
        int,
        Meta(
            ge=8, le=1024,
            description="Channels after the first convolution, or a quarter of the units of a "
            "hidden layer.",
        ),
    ] = 32  # fmt: skip
    features: Annotated[int, Meta(ge=2, le=4096, description="Width D of the features z.")] = 24
    cut: Annotated[
        int,
        Meta(
            ge=0, le=12,
            description="Last block kept of torchvision's networks: 1 to 5; resnet18 0, the stem, "
            "to 4; convnext_tiny 1 to 4; vit_b_16 1 to 12.",
        ),
    ] = 2  # fmt: skip
    pretrained: Annotated[
        str | None,
        Meta(
            description="Local file with torchvision's weights of that network to start from; "
            "null: random weights.",
        ),
    ] = None
    depth: Annotated[int, Meta(ge=1, le=12, description="Layers of a transformer.")] = 2
    heads: Annotated[
        int,
        Meta(
            ge=1, le=16,
            description="Attention heads in each layer of a transformer; they divide four times "
            "the width.",
        ),
    ] = 4  # fmt: skip
    leace: Annotated[
        bool,
        Meta(
            description="Whether a last layer erases what linear attackers could still find "
            "(LEACE); the unprotected extractor never has it.",
        ),
    ] = False
    clip: Annotated[
        float,
        Meta(
            ge=0, le=100,
            description="Squash each feature into [-clip, clip], in standard deviations of z, 0.1 "
            "to 100; 0: no bound.",
        ),
    ] = 0.0  # fmt: skip
    head: Annotated[
        int,
        Meta(
            ge=0, le=8192,
            description="Units of each hidden layer of the head: a residual perceptron behind the "
            "trunk, trained last (train.head); 0: no head. The unprotected extractor has none.",
        ),
    ] = 0  # fmt: skip
    release_noise: Annotated[
        float,
        Meta(
            ge=0, le=100,
            description="Gaussian noise on z in training and in the exported file, in standard "
            "deviations of z. With a head it begins with its training.",
        ),
    ] = 0.0  # fmt: skip
    bits: Annotated[
        int,
        Meta(
            ge=0, le=16,
            description="Send each feature as one of 2^bits levels from -clip to clip; 0: as is.",
        ),
    ] = 0  # fmt: skip
    codes: Annotated[
        int,
        Meta(
            ge=0, le=MOST_CODES,
            description="Send each record as one of so many codes, with its prototype as features, "
            "so that the audit can bound every attacker; 0: features as they are. The noise of the "
            "release is then in training alone.",
        ),
    ] = 0  # fmt: skip

    def _check(self) -> None:
        if self.clip:
            check_range("train.extractor.clip", self.clip, 0.1, 100)
        if self.bits and not self.clip:
            raise ConfigError(
                "train.extractor.bits", f"{self.bits} bits of features without bounds",
                hint="set train.extractor.clip, such as 3: levels lie between -clip and clip",
            )  # fmt: skip
        if self.codes == 1 or (self.codes and self.bits):
            given = "1 code" if self.codes == 1 else f"{self.codes} codes of features with levels"
            raise ConfigError(
                "train.extractor.codes", given, "2 codes or more, and train.extractor.bits: 0",
            )  # fmt: skip
        if self.family in FAMILIES:
            check_range("train.extractor.cut", self.cut, *FAMILIES[self.family].cuts)
        elif self.pretrained:
            raise ConfigError(
                "train.extractor.pretrained", f"a file for family {self.family}",
                f"a file only for {', '.join(FAMILIES)}", "set it to null, or choose the family",
            )  # fmt: skip

    def absolute(self) -> ExtractorConfig:
        """The same with an absolute path of pretrained weights: workers run in other folders."""
        path = str(Path(self.pretrained).resolve()) if self.pretrained else None
        return replace(self, pretrained=path)

    def without_pretrained(self) -> ExtractorConfig:
        """The same without pretrained weights: a checkpoint has what training made of them."""
        return replace(self, pretrained=None)

    def unprotected(self) -> ExtractorConfig:
        """The same for the unprotected extractor: trunk and whitening alone."""
        return replace(self, head=0, leace=False, clip=0.0, release_noise=0.0, bits=0, codes=0)

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
    """Raw record `[B, *shape]` -> features `[B, D]`: trunk, transport, head, LEACE, release.

    With whitening the last layer has no learnt scale: an extractor cannot escape noise or an
    adversary by making features, or directions among them, large or small. With a bottleneck
    features are not whitened, since their scale is what the price is paid for
    (tiprdc/objectives/bottleneck.py).

    Args:
        config: The architecture.
        spec: What a record is.
        classes: Number of classes of each private attribute, which the transport between
            principal components and head moves onto each other.
        whiten: Whether features are whitened.
        unit_noise: Whether features are released with Gaussian noise of deviation 1, in place of
            `config.release_noise`: z ~ N(m(x), 1).
    """

    def __init__(
        self,
        config: ExtractorConfig,
        spec: InputSpec,
        classes: Sequence[int] = (),
        *,
        whiten: bool = True,
        unit_noise: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.normalise = normaliser(spec)
        self.trunk = config.trunk(spec, out=config.features)
        self.whiten = Whitening(config.features) if whiten else nn.Identity()
        is_moved = bool(config.head) and isinstance(self.trunk, PrincipalComponents)
        self.transport = Transport(config.features, classes if is_moved else ())
        self.head = Head(config.features, config.head) if config.head else nn.Identity()
        self.leace = LeaceLayer(config.features) if config.leace else nn.Identity()
        noise = 1.0 if unit_noise else config.release_noise
        self.channel = Channel(config.clip, noise, config.bits)
        self.codebook = Codebook(config.codes, config.features) if config.codes else None

    def forward(self, x: Tensor) -> Tensor:
        return self.release(self.features_before_release(x))

    @property
    def is_smooth(self) -> bool:
        """Whether released features are a smooth function of the record."""
        return self.channel.is_deterministic and self.codebook is None

    def release(self, z: Tensor) -> Tensor:
        """Noise and levels on features `[B, D]`, or the prototypes of their codes.

        With codes noise is in training alone.
        """
        if self.codebook is not None and self.codebook.is_filled and not self.training:
            return cast(Tensor, self.codebook(z))
        return cast(Tensor, self.channel(z))

    def features_before_release(self, x: Tensor) -> Tensor:
        """Features `[B, D]` before noise, levels or codes: a smooth function of the record."""
        return self.behind_trunk(self.whitened(x))

    def behind_trunk(self, z0: Tensor) -> Tensor:
        """The trunk's features `[B, D]` -> features `[B, D]` before noise, levels or codes."""
        return self.behind_transport(self.transport(z0))

    def behind_transport(self, z: Tensor) -> Tensor:
        """What the transport moved `[B, D]` -> features `[B, D]` before noise, levels or codes."""
        return self.channel.bound(self.leace(self.head(z)))

    def before_leace(self, x: Tensor) -> Tensor:
        """Features `[B, D]` that LEACE is fitted on."""
        z: Tensor = self.head(self.transport(self.whitened(x)))
        return z

    def whitened(self, x: Tensor) -> Tensor:
        """The trunk's features `[B, D]`: what the transport moves and the head hides."""
        return self.whitened_trunk(self.normalise(x))

    def whitened_trunk(self, normal: Tensor) -> Tensor:
        """The same of normalised records."""
        z0: Tensor = self.whiten(self.trunk(normal).global_)
        return z0

    def fold(self) -> None:
        """Put whitening into the trunk's last layer, once training is over."""
        if isinstance(self.whiten, Whitening):
            self.whiten.fold_into(self.trunk.out)
