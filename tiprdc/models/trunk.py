"""Choose a trunk for a kind of record: one place that knows all families."""

from __future__ import annotations

from typing import Literal

from tiprdc.errors import ConfigError
from tiprdc.models.cnn import Cnn
from tiprdc.models.inputs import InputSpec
from tiprdc.models.lstm import Lstm
from tiprdc.models.mlp import Mlp
from tiprdc.models.transformer import Transformer

Family = Literal["auto", "cnn", "mlp", "lstm", "transformer"]
_FITS: dict[str, tuple[Family, ...]] = {
    "image": ("cnn",),
    "table": ("mlp",),
    "text": ("lstm", "transformer"),
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
    family: Family, spec: InputSpec, *, width: int, out: int, depth: int = 2, heads: int = 4
) -> Cnn | Mlp | Lstm | Transformer:
    """Build a module from normalised records to `Views`, whose `whole` is `[B, out]`.

    Its attribute `out` is the linear layer that `whole` comes from.

    Args:
        family: Which kind of network.
        spec: What a record is.
        width: Channels or units.
        out: Width of the vector for the whole record.
        depth: Layers of a transformer.
        heads: Attention heads in each of them.
    """
    family = resolve(family, spec)
    if family == "cnn":
        height, breadth = spec.shape[1:]
        return Cnn(spec.shape[0], (height, breadth), width, out)
    if family == "mlp":
        return Mlp(spec.columns, width, out)
    if family == "transformer":
        length, size = spec.shape[0], spec.vocabulary_size
        return Transformer(size, length, width, out, depth=depth, heads=heads)
    return Lstm(spec.vocabulary_size, spec.shape[0], width, out)
