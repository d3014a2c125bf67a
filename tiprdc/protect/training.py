"""Trains the extractors of a request in this process; a checkpoint after each epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tiprdc import __version__
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import TiprdcError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.models.inputs import InputSpec
from tiprdc.settings import convert, fill_auto
from tiprdc.training import checkpoint
from tiprdc.training.code import code_digest
from tiprdc.training.config import Role, TrainConfig
from tiprdc.training.defaults import training
from tiprdc.training.feasibility import assess, infeasible
from tiprdc.training.trainer import Trainer

_OPTIONS = {
    "train.extractor.features": "--features", "train.extractor.release_noise": "--noise",
    "train.head.weight": "--weight", "train.seed": "--seed", "train.encoder.path": "SOURCE",
    "train.encoder.": "--", "prepare.manifest.": "--",
}  # fmt: skip


def train_config(schema: Schema, changes: Mapping[str, Mapping[str, Any]]) -> TrainConfig:
    """The automatic settings for these records.

    Args:
        schema: Of the shards that are trained on.
        changes: Section of `train` -> name -> value, in place of an automatic or default value.

    Raises:
        ConfigError: A value is out of range.
    """
    with options_in_errors():
        return convert(TrainConfig, fill_auto(dict(changes), training(schema), "train"), "train")


@contextmanager
def options_in_errors() -> Iterator[None]:
    """Replace settings of a training in error messages by the options that state them."""
    try:
        yield
    except TiprdcError as error:
        parts = [str(part) for part in (error.where, error.given, error.expected, error.hint)]
        for setting, option in _OPTIONS.items():
            parts = [part.replace(setting, option) for part in parts]
        raise type(error)(*parts) from error


def warn_of_labels(
    config: TrainConfig, schema: Schema, records: Records, say: Callable[[str], None]
) -> None:
    """Say which tasks the labels alone forbid to keep while an attribute is hidden."""
    pairs = assess(records.labels, records.person, schema, config.objective.budget)
    for pair in infeasible(pairs):
        say(f"warning: {pair}")


def train(
    config: TrainConfig,
    role: Role,
    schema: Schema,
    records: Records,
    folder: Path,
    progress: Callable[[float], None],
) -> None:
    """Train one extractor; a run that was killed goes on after its last epoch.

    Args:
        config: What to train.
        role: Which extractor.
        schema: Of the shards that are trained on.
        records: extractor-train.
        folder: For the checkpoint; one that is there is of these settings and records.
        progress: Called with the share of the epochs that is done.

    Raises:
        DataError: Fewer records than a step needs.
        ConfigError: More principal components than the records have.
    """
    trainer = _trainer(config, role, schema)
    if checkpoint.is_complete(folder):
        checkpoint.load(trainer, folder)
        progress(trainer.epoch / trainer.epochs)
    while trainer.epoch < trainer.epochs:
        with options_in_errors():
            trainer.train_epoch(records)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_directory(folder, replace=True) as new:
            checkpoint.save(trainer, new)
        progress(trainer.epoch / trainer.epochs)


def _trainer(config: TrainConfig, role: Role, schema: Schema) -> Trainer:
    objective, extractor = config.networks(role)
    return Trainer(
        objective, extractor, config.schedule, InputSpec.of(schema),
        {name: schema.classes(name) for name in schema.private},
        seed=config.seed, head=config.head, told=config.told_tasks(role, schema),
        cross_fit=cross_fit,
    )  # fmt: skip


def run_name(config: TrainConfig, schema: Schema) -> str:
    """Name of a training, which changes with all that decides its result."""
    inputs = [__version__, schema.digest, code_digest(), msgspec.to_builtins(config)]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
