"""Chooses the value of each `auto` of a training from the kind and number of records.

Measured on generated faces, UTKFace, Adult and blog posts (docs/method.md):

- A perceptron is cheap, so a table's batch can be large. A kernel adversary solved on a large batch
  of current features finds what one with a memory of past features does not. Convolutions and
  recurrent networks need small batches, and there the memory replaces the large batch.
- Noise on a table's features hides what attackers who hold records would decode.
- A bag of words is as cheap as a perceptron, but there are few texts for many words. There the
  kernel adversary learns out-of-fold predictions (tiprdc/attacks/cross_fitting.py), and likewise
  for pictures where they are few.
- Where pictures are many, the kernel adversary also reads decoded records. On tables that did not
  help. There the trunk may leave more (`budget`), since a head hides the rest below the noise.
- Where pictures are very many, a head gains from a long training, and from more features.
- Where pictures are few, principal components are a better trunk than a network that is trained:
  far better on real faces, about as good on generated ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tiprdc.datasets.schema import Schema
from tiprdc.datasets.tables.vector_names import is_vector
from tiprdc.training.head.config import LEAST_RECORDS, MANY_RECORDS

_MIN_BATCH, _MAX_BATCH, _STEPS_PER_EPOCH = 128, 2048, 8
_FEW, _PICTURES_SEEN = 10_000, 120_000
_LEAST_COMPONENTS, _MOST_COMPONENTS = 64, 128


def _given(train: Mapping[str, Any], name: str, key: str) -> Any:
    """A value of the file, or None if it is not there."""
    values = train.get(name)
    return values.get(key) if isinstance(values, Mapping) else None


def _if_kernel_adversary(train: Mapping[str, Any]) -> bool:
    """True, unless the file turns off the kernel adversary, which alone uses the setting."""
    return bool(_given(train, "objective", "kernel_adversary") != 0)


def _choose(
    test: Callable[[Mapping[str, Any]], bool], chosen: Any, otherwise: Any
) -> Callable[[Mapping[str, Any]], Any]:
    """One of two values, or functions of what the file has, by a test of that."""

    def choose(train: Mapping[str, Any]) -> Any:
        value = chosen if test(train) else otherwise
        return value(train) if callable(value) else value

    return choose


def _unless_headless(value: Any, without: Any) -> Callable[[Mapping[str, Any]], Any]:
    """`value`, or `without` if the file turns off the head: all that the unprotected extractor, \
which shares the setting, may depend on."""
    return _choose(lambda train: _given(train, "extractor", "head") == 0, without, value)


def _always(_: Mapping[str, Any]) -> bool:
    return True


def _never(_: Mapping[str, Any]) -> bool:
    return False


def _has_head(train: Mapping[str, Any]) -> bool:
    """True, unless the file turns off the head, or sets a bottleneck in its place."""
    return _given(train, "extractor", "head") != 0 and not _given(train, "objective", "bottleneck")


def _with_head(value: Any, without: Any) -> Callable[[Mapping[str, Any]], Any]:
    """`value`, or `without` where `_has_head` is false."""
    return _choose(_has_head, value, without)


def _unless_pca(
    of_pca: Any, value: Any, is_auto: Callable[[Mapping[str, Any]], bool]
) -> Callable[[Mapping[str, Any]], Any]:
    """`of_pca` if the trunk is principal components, which are not trained, else `value`.

    Args:
        of_pca, value: The values, or functions of what the file has.
        is_auto: Whether `family: auto` stands for principal components, by what the file has.
    """

    def is_pca(train: Mapping[str, Any]) -> bool:
        family = _given(train, "extractor", "family") or "auto"
        return family == "pca" or (family == "auto" and is_auto(train))

    return _choose(is_pca, of_pca, value)


def _if_encoder(of_vectors: Any, value: Any) -> Callable[[Mapping[str, Any]], Any]:
    """`of_vectors` if the file names an encoder, whose features are vectors, else `value`."""
    return _choose(lambda train: bool(_given(train, "encoder", "path")), of_vectors, value)


_SHARED = {
    "objective.cross_fit": False, "objective.adversary_decoder": False,
    "schedule.extractor_rate": 1e-3, "schedule.critic_rate": 1e-3,
    "head.epochs": 10, "head.weight": 4.0,
}  # fmt: skip
_TRAIN: Mapping[str, Mapping[str, Any]] = {
    "image": {
        **_SHARED,
        "extractor.features": _unless_headless(64, 24), "extractor.head": _with_head(512, 0),
        "extractor.release_noise": _with_head(0.4, 0.0), "objective.budget": _with_head(0.1, 0.06),
        "objective.memory": 2048,
        "objective.adversary_decoder": _if_kernel_adversary,
        "schedule.batch": 128, "schedule.warm_up": 1.0,
    },
    "text": {
        **_SHARED,
        "extractor.features": 24, "extractor.head": 0, "extractor.release_noise": 0.0,
        "objective.budget": 0.06, "objective.memory": 0,
        "objective.cross_fit": _if_kernel_adversary,
        "schedule.extractor_rate": 3e-3, "schedule.critic_rate": 3e-3,
        "schedule.epochs": 16, "schedule.warm_up": 2.0,
    },
    "table": {
        **_SHARED,
        "extractor.features": 16, "extractor.head": 0, "extractor.release_noise": 0.3,
        "objective.budget": 0.06, "objective.memory": 0,
        "schedule.epochs": 30, "schedule.warm_up": 3.0,
    },
}  # fmt: skip
# As many steps as many pictures give in fewer epochs.
_FEW_PICTURES = {
    "extractor.features": 24, "extractor.head": 0, "extractor.release_noise": 0.0,
    "objective.budget": 0.06,
    "objective.cross_fit": _if_kernel_adversary,
    "objective.adversary_decoder": False,
    "schedule.epochs": 24,
}  # fmt: skip
# Adversaries do not know so many people by heart: what a longer training hides from them it hides
# from strangers, and more features are worth their price.
_MANY_PICTURES = {
    "extractor.features": _unless_headless(192, 24), "schedule.epochs": 4, "head.epochs": 60,
}  # fmt: skip
# For few pictures, vectors and recordings. Nothing of the trunk is trained: an epoch measures it,
# and transport and head do the rest. Price and noise are low: adversaries learn few people by
# heart, and the head pays for hiding what no stranger can read.
_PCA: Mapping[str, Any] = {
    "extractor.head": _with_head(512, 0), "extractor.release_noise": _with_head(0.3, 0.0),
    "objective.cross_fit": False, "objective.adversary_decoder": False,
    "schedule.epochs": 1, "head.weight": 0.3,
}  # fmt: skip
_PCA_OF_PICTURES: Mapping[str, Any] = {
    **_PCA, "extractor.release_noise": _with_head(0.2, 0.0), "head.weight": 0.05,
}  # fmt: skip
TRAIN_KEYS = tuple({**_TRAIN["table"], **_TRAIN["image"]})
"""Settings below `train` that may be `auto`, as section and name with a dot."""


def training(schema: Schema, section: str = "train") -> dict[str, Any]:
    """Values of a training's automatic settings, as `load` takes them.

    Args:
        schema: Modality and number of the records.
        section: Key above `extractor`, `objective` and `schedule`.

    Returns:
        Dotted key -> value, or a function of the settings beside the key.
    """
    records = schema.records["extractor-train"]
    values: dict[str, Any]
    if schema.modality == "audio":
        values = _of_pictures(records, _PCA, _always)
    elif is_vector(schema.columns):
        values = _of_vectors(records, len(schema.columns))
    elif schema.modality == "image":
        # A bottleneck needs a network that learns, and without a head components hide nothing.
        is_pca = _has_head if records < _FEW else _never
        values = _of_pictures(records, _PCA_OF_PICTURES, is_pca)
        values["extractor.family"] = _choose(is_pca, "pca", "auto")
    else:
        values = {"schedule.batch": _batch(records), **_TRAIN[schema.modality]}
    if schema.modality != "table":
        of_encoder = _of_vectors(records, _LEAST_COMPONENTS)
        values |= {key: _if_encoder(of_encoder[key], values[key]) for key in of_encoder}
    return {f"{section}.{key}": value for key, value in values.items()}


def _of_pictures(
    records: int, pca: Mapping[str, Any], is_pca: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any]:
    """Values for pictures, or spectrograms; `is_pca` as `is_auto` of `_unless_pca`."""
    values = dict(_TRAIN["image"])
    values["schedule.epochs"] = max(3, min(8, round(_PICTURES_SEEN / records)))
    if records < _FEW:
        values |= _FEW_PICTURES
    elif records >= MANY_RECORDS:
        values |= _MANY_PICTURES
    # As many as a transport between classes allows, within bounds.
    components = max(_LEAST_COMPONENTS, min(records // LEAST_RECORDS, _MOST_COMPONENTS))
    of_pca = {**pca, "extractor.features": components}
    return values | {key: _unless_pca(value, values[key], is_pca) for key, value in of_pca.items()}


def _of_vectors(records: int, width: int) -> dict[str, Any]:
    values: dict[str, Any] = {"schedule.batch": _batch(records), **_TRAIN["table"]}
    of_pca = {
        **_PCA, "extractor.features": min(_LEAST_COMPONENTS, width),
        "objective.budget": _with_head(0.1, 0.06),
    }  # fmt: skip
    return values | {
        key: _unless_pca(value, values.get(key), _always) for key, value in of_pca.items()
    }


def _batch(records: int) -> int:
    """The power of two that gives about 8 steps an epoch, within 128 and 2048."""
    batch: int = 2 ** (max(records // _STEPS_PER_EPOCH, 1).bit_length() - 1)
    return max(_MIN_BATCH, min(_MAX_BATCH, batch))
