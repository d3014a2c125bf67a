"""Choose and build the trunk network for a kind of record."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tiprdc.datasets.tables.vector_names import is_vector
from tiprdc.errors import ConfigError
from tiprdc.models.inputs import Columns, InputSpec
from tiprdc.models.trunks.backbone import Backbone
from tiprdc.models.trunks.bag_of_words import BagOfWords
from tiprdc.models.trunks.cnn import Cnn
from tiprdc.models.trunks.lstm import Lstm
from tiprdc.models.trunks.mlp import Mlp
from tiprdc.models.trunks.principal_components import ColumnComponents, PictureComponents
from tiprdc.models.trunks.torchvision_families import FAMILIES, BackboneFamily
from tiprdc.models.trunks.transformer import Transformer

Family = Literal[
    "auto", "cnn", "pca", BackboneFamily, "mlp", "bag", "lstm", "transformer"
]  # fmt: skip
_FAMILIES: dict[str, tuple[Family, ...]] = {
    "image": ("cnn", "pca", *FAMILIES),
    "table": ("mlp", "pca"),
    "text": ("bag", "lstm", "transformer"),
    "audio": ("pca", "cnn"),
}
"""Families for each kind of record; `auto` is the first, or pca for vectors."""
Trunk: TypeAlias = (
    Cnn | PictureComponents | ColumnComponents | Backbone | Mlp | BagOfWords | Lstm | Transformer
)


def resolve(family: Family, spec: InputSpec) -> Family:
    """The family of `auto`, or the named family if it fits the records.

    Raises:
        ConfigError: The family does not take such records.
    """
    families = _FAMILIES[spec.modality]
    if family == "auto":
        return "pca" if is_vector(spec.columns) else families[0]
    if family not in families:
        raise ConfigError(
            "train.extractor.family",
            family,
            f"{', '.join(['auto', *families[:-1]])} or {families[-1]} for {spec.modality} records",
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
    """Build a module from normalised records to `TrunkOutput`, whose `global_` is `[B, out]`.

    Its attribute `out` is the last linear layer of `global_`; `local_width` is the width of
    `local`; `positions` is the number of positions with a query of their own.

    Args:
        family: Kind of network.
        spec: What a record is.
        width: Channels or units; torchvision's networks have their own.
        out: Width of the vector for the whole record.
        cut: For torchvision's networks, the last block that is used.
        depth: Layers of a transformer.
        heads: Attention heads in each of them.
    """
    family = resolve(family, spec)
    if spec.picture:
        channels, height, breadth = spec.picture
        if family in FAMILIES:
            return Backbone(family, cut, (height, breadth), out)
        if family == "pca":
            return PictureComponents(channels, (height, breadth), out)
        return Cnn(channels, (height, breadth), width, out)
    if family == "pca":
        return ColumnComponents(Columns(spec.columns).width, out)
    if family == "mlp":
        return Mlp(spec.columns, width, out)
    if family == "transformer":
        length, size = spec.shape[0], spec.vocabulary_size
        return Transformer(size, length, width, out, depth=depth, heads=heads)
    if family == "lstm":
        return Lstm(spec.vocabulary_size, width, out)
    return BagOfWords(spec.vocabulary_size, width, out)
