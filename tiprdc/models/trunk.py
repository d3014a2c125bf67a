"""Choose a trunk for a kind of record: one place that knows all families."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tiprdc.errors import ConfigError
from tiprdc.models.backbone import Backbone
from tiprdc.models.bag_of_words import Bag
from tiprdc.models.cnn import Cnn
from tiprdc.models.inputs import InputSpec
from tiprdc.models.lstm import Lstm
from tiprdc.models.mlp import Mlp
from tiprdc.models.transformer import Transformer

Family = Literal["auto", "cnn", "vgg16_bn", "resnet18", "mlp", "bag", "lstm", "transformer"]
_FITS: dict[str, tuple[Family, ...]] = {
    "image": ("cnn", "vgg16_bn", "resnet18"),
    "table": ("mlp",),
    "text": ("bag", "lstm", "transformer"),
}
"""The families that take such records; the first is what `auto` means."""
Trunk: TypeAlias = Cnn | Backbone | Mlp | Bag | Lstm | Transformer


def resolve(family: Family, spec: InputSpec) -> Family:
    """The family meant by `auto`, or a check that the named one fits the records.

    Raises:
        ConfigError: The family does not take such records.
    """
    fitting = _FITS[spec.modality]
    if family == "auto":
        return fitting[0]
    if family not in fitting:
        raise ConfigError(
            "train.extractor.family",
            family,
            f"{', '.join(['auto', *fitting[:-1]])} or {fitting[-1]} for {spec.modality} records",
        )
    return family


def trunk(
    family: Family,
    spec: InputSpec,
    *,
    width: int,
    out: int,
    cut: int = 2,
    depth: int = 2,
    heads: int = 4,
) -> Trunk:
    """Build a module from normalised records to `Views`, whose `whole` is `[B, out]`.

    Its attribute `out` is the linear layer that `whole` comes from.

    Args:
        family: Which kind of network.
        spec: What a record is.
        width: Channels or units; vgg16_bn and resnet18 have their own.
        out: Width of the vector for the whole record.
        cut: Of vgg16_bn and resnet18: the last block that is kept.
        depth: Layers of a transformer.
        heads: Attention heads in each of them.
    """
    family = resolve(family, spec)
    if spec.modality == "image":
        height, breadth = spec.shape[1:]
        if family in ("vgg16_bn", "resnet18"):
            return Backbone(family, cut, (height, breadth), out)
        return Cnn(spec.shape[0], (height, breadth), width, out)
    if family == "mlp":
        return Mlp(spec.columns, width, out)
    if family == "transformer":
        length, size = spec.shape[0], spec.vocabulary_size
        return Transformer(size, length, width, out, depth=depth, heads=heads)
    if family == "lstm":
        return Lstm(spec.vocabulary_size, width, out)
    return Bag(spec.vocabulary_size, width, out)
