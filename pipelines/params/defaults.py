"""Chooses the value of each `auto` of a search, and names every setting that may be `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiprdc.datasets.schema import Modality, Schema
from tiprdc.training.defaults import TRAIN_KEYS

_TUNE: Mapping[Modality, Mapping[str, Any]] = {
    "image": {"features": [24, 32, 64], "epochs": 3, "people": 4000},
    "text": {"features": [16, 24, 32], "epochs": 8, "people": 8000},
    "table": {"features": [8, 16, 24], "epochs": 12, "people": 16_000},
}
AUTO_KEYS = (*(f"train.{key}" for key in TRAIN_KEYS), *(f"tune.{key}" for key in _TUNE["image"]))
"""Dotted keys of params.yaml that may be `auto`."""


def tuning(schema: Schema) -> dict[str, Any]:
    """Values of a search's automatic settings, as `load` takes them."""
    return {f"tune.{key}": value for key, value in _TUNE[schema.modality].items()}
