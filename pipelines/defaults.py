"""What `auto` stands for in params.yaml: settings that depend on what a record is.

Measured on generated faces, UTKFace, Adult and blog posts (docs/method.md). A perceptron is so
cheap that a batch can be large, and an adversary that is solved exactly on a large batch, always on
the features of this moment, sees what one with a memory of past features does not. Convolutions and
recurrent networks are not, so there the memory has to do. Noise on a table's features drowns what
attackers who hold records would read. A bag of words is as cheap as a perceptron, and of texts
there are few for so many words: there the adversary learns what a classifier believes that has not
seen the person (attacks/cross_fitting.py), and so it does of pictures where they are few. Where
they are many, it reads what is rebuilt of them too; on tables that did not help.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiprdc.datasets.schema import Modality, Schema

_SMALLEST, _LARGEST, _STEPS = 128, 2048, 8
_FEW = 10_000


def _if_kernel_adversary(game: Mapping[str, Any]) -> bool:
    """True, unless the file does without the adversary whose business it is."""
    return game.get("kernel_adversary") != 0


_SHARED = {
    "objective.cross_fit": False, "objective.adversary_decoder": False,
    "schedule.extractor_rate": 1e-3, "schedule.critic_rate": 1e-3,
}  # fmt: skip
_LOOK_AROUND = {"features": [16, 24, 32], "epochs": 3, "people": 4000}
_TRAIN: Mapping[Modality, Mapping[str, Any]] = {
    "image": {
        **_SHARED,
        "extractor.features": 24, "extractor.release_noise": 0.0, "objective.memory": 2048,
        "objective.adversary_decoder": _if_kernel_adversary,
        "schedule.batch": 128, "schedule.epochs": 8, "schedule.warm_up": 1.0,
    },
    "text": {
        **_SHARED,
        "extractor.features": 24, "extractor.release_noise": 0.0, "objective.memory": 0,
        "objective.cross_fit": _if_kernel_adversary,
        "schedule.extractor_rate": 3e-3, "schedule.critic_rate": 3e-3,
        "schedule.epochs": 16, "schedule.warm_up": 2.0,
    },
    "table": {
        **_SHARED,
        "extractor.features": 16, "extractor.release_noise": 0.15, "objective.memory": 0,
        "schedule.epochs": 30, "schedule.warm_up": 3.0,
    },
}  # fmt: skip
# As many steps as many pictures give in fewer epochs.
_FEW_PICTURES = {
    "objective.cross_fit": _if_kernel_adversary,
    "objective.adversary_decoder": False,
    "schedule.epochs": 24,
}
_TUNE: Mapping[Modality, Mapping[str, Any]] = {
    "image": _LOOK_AROUND,
    "text": {"features": [16, 24, 32], "epochs": 8, "people": 8000},
    "table": {"features": [8, 16, 24], "epochs": 12, "people": 16_000},
}


def training(schema: Schema, section: str = "train") -> dict[str, Any]:
    """Dotted key -> value of what a training's settings leave to the data, as `load` takes them.

    Args:
        schema: What the records are, and how many.
        section: The key that `extractor`, `game` and `schedule` are under.
    """
    records = schema.records["extractor-train"]
    chosen = dict(_TRAIN[schema.modality])
    if schema.modality == "image" and records < _FEW:
        chosen |= _FEW_PICTURES
    chosen.setdefault("schedule.batch", _batch(records))
    return {f"{section}.{key}": value for key, value in chosen.items()}


def tuning(schema: Schema) -> dict[str, Any]:
    """The same of the section `tune`."""
    return {f"tune.{key}": value for key, value in _TUNE[schema.modality].items()}


def _batch(records: int) -> int:
    """A power of two: as large as leaves some steps in an epoch."""
    share: int = 2 ** (max(records // _STEPS, 1).bit_length() - 1)
    return max(_SMALLEST, min(_LARGEST, share))
