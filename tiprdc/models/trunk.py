"""Choose a trunk for a kind of record: one place that knows all families."""

from __future__ import annotations

from typing import Literal

from tiprdc.errors import ConfigError
from tiprdc.models.backbone import Backbone
from tiprdc.models.cnn import Cnn
from tiprdc.models.inputs import InputSpec
from tiprdc.models.lstm import Lstm
from tiprdc.models.mlp import Mlp

Family = Literal["auto", "cnn", "vgg16_bn", "resnet18", "mlp", "lstm"]
_FITS: dict[str, tuple[Family, ...]] = {
    "image": ("cnn", "vgg16_bn", "resnet18"),
    "table": ("mlp",),
    "text": ("lstm",),
}
"""The families that take such records; the first is what `auto` means."""


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
    family: Family, spec: InputSpec, *, width: int, out: int, cut: int = 2
) -> Cnn | Backbone | Mlp | Lstm:
    """Build a module from normalised records to `Views`, whose `whole` is `[B, out]`.

    Args:
        family: Which kind of network.
        spec: What a record is.
        width: Of cnn, mlp and lstm: channels or units.
        out: Width of the vector for the whole record.
        cut: Of vgg16_bn and resnet18: the last block that is kept.
    """
    family = resolve(family, spec)
    if spec.modality == "image":
        height, breadth = spec.shape[1:]
        if family in ("vgg16_bn", "resnet18"):
            return Backbone(family, cut, (height, breadth), out)
        return Cnn(spec.shape[0], (height, breadth), width, out)
    if family == "mlp":
        return Mlp(spec.columns, width, out)
    return Lstm(spec.vocabulary_size, spec.shape[0], width, out)
