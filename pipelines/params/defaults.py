"""Chooses the value of each `auto` of a search, and names every setting that may be `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiprdc.datasets.schema import Modality, Schema
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import TRAIN_KEYS
from tiprdc.training.head.config import LEAST_RECORDS, HeadConfig

_TUNE: Mapping[Modality, Mapping[str, Any]] = {
    "image": {"features": [24, 32, 64], "epochs": 3, "people": 4000},
    "text": {"features": [16, 24, 32], "epochs": 8, "people": 8000},
    "table": {"features": [8, 16, 24], "epochs": 12, "people": 16_000},
    "audio": {"features": [24, 32, 64], "epochs": 3, "people": 4000},
}
_OF_TRUNKS: Mapping[str, Any] = {
    "trials": 2, "budget": [0.02, 0.3], "privacy_weight": [0.3, 0.9], "weight": [],
    "release_noise": [], "attacks": ["kernel", "mlp"],
}  # fmt: skip
AUTO_KEYS = (
    *(f"train.{key}" for key in TRAIN_KEYS),
    *(f"tune.{key}" for key in {**_TUNE["image"], **_OF_TRUNKS}),
)
"""Dotted keys of params.yaml that may be `auto`."""


def tuning(schema: Schema, train: TrainConfig) -> dict[str, Any]:
    """Values of a search's automatic settings, as `load` takes them.

    Where the extractor has a head, the search varies the head and its noise over one trunk.

    Args:
        schema: Of the shards.
        train: The settings of `train`.
    """
    own = _of_heads(train) if train.extractor.head else _OF_TRUNKS
    values = {**_TUNE[schema.modality], **own}
    values["epochs"] = min(values["epochs"], train.schedule.epochs)
    return {f"tune.{key}": value for key, value in values.items()}


def _of_heads(train: TrainConfig) -> dict[str, Any]:
    """Weights around that of `train`, and people enough for its transport between classes.

    A trial of the head costs seconds, so its attacks may cost no more.
    """
    weight = train.head.weight or HeadConfig().weight
    return {
        "trials": 24, "budget": [], "privacy_weight": [], "features": [],
        "weight": [weight / 8, 4 * weight],
        "release_noise": [0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0],
        "attacks": ["logistic_regression", "kernel"],
        "people": max(4000, LEAST_RECORDS * train.extractor.features),
    }  # fmt: skip
