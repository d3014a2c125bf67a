"""Choose a trunk for a kind of record: one place that knows all families."""

from __future__ import annotations

from typing import Literal

from tiprdc.errors import ConfigError
from tiprdc.models.cnn import Cnn
from tiprdc.models.inputs import InputSpec
from tiprdc.models.lstm import Lstm
from tiprdc.models.mlp import Mlp

Family = Literal["auto", "cnn", "mlp", "lstm"]
_FITS: dict[str, Family] = {"image": "cnn", "table": "mlp", "text": "lstm"}


def resolve(family: Family, spec: InputSpec) -> Family:
    """The family meant by `auto`, or a check that the named one fits the records.

    Raises:
        ConfigError: The family does not take such records.
    """
    fitting = _FITS[spec.modality]
    if family not in ("auto", fitting):
        raise ConfigError(
            "train.extractor.family",
            family,
            f"auto or {fitting} for {spec.modality} records",
        )
    return fitting


def trunk(family: Family, spec: InputSpec, *, width: int, out: int) -> Cnn | Mlp | Lstm:
    """Build a module from normalised records to `Views`, whose `whole` is `[B, out]`."""
    family = resolve(family, spec)
    if family == "cnn":
        height, breadth = spec.shape[1:]
        return Cnn(spec.shape[0], (height, breadth), width, out)
    if family == "mlp":
        return Mlp(spec.columns, width, out)
    return Lstm(spec.vocabulary_size, spec.shape[0], width, out)
