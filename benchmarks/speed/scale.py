"""Cost of one record, one step and one checkpoint, to estimate large runs.

    python -m benchmarks.speed.scale [--people 1000] [--json]

Uses the default network for pictures and generated faces, in this process, on one core. Seconds are
of processor time, which other work on the machine changes little. docs/cluster.md multiplies them
by a billion records and a thousand workers, and marks what is arithmetic only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import torch
import typer
from dvc_data.hashfile.hash import file_md5
from msgspec.structs import replace

from benchmarks.speed.figures import show
from pipelines.params.load import load
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Records, encode_shard
from tiprdc.datasets.shard_plan import Plan, make_plan
from tiprdc.models.inputs import InputSpec
from tiprdc.training import checkpoint
from tiprdc.training.config import TrainConfig
from tiprdc.training.trainer import Trainer

T = TypeVar("T")
Figures = dict[str, float]
HASH_BYTES = 64 * 2**20
"""Size of the file whose digest is timed."""


def main(
    people: Annotated[int, typer.Option(min=1000, help="Records to generate.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Measure, and print."""
    torch.set_num_threads(1)
    plan, records, figures = _prepare(people)
    trainer = _trainer(records, plan)
    figures |= _train(trainer, records) | _checkpoint(trainer) | _digest()
    show(figures, as_json=as_json)


def _prepare(people: int) -> tuple[Plan, Records, Figures]:
    """Records as of `prepare`, and their cost."""
    config = replace(load("prepare", PrepareConfig), dataset="avatars")
    config = replace(config, avatars=replace(config.avatars, people=people, attackers=0))
    plan, planning = _timed(lambda: make_plan(config))
    batch, reading = _timed(lambda: plan.reader.read(plan.records, plan.fitted))
    labels = {a.name: plan.records[a.name].to_numpy("int64").copy() for a in plan.attributes}
    records = Records(batch.x, labels, plan.records["person"].to_numpy("str"))
    data, encoding = _timed(lambda: encode_shard(records))
    return plan, records, {
        "prepare: seconds of the driver's plan a record": planning / people,
        "prepare: bytes of the plan a record": plan.records.memory_usage(deep=True).sum() / people,
        "prepare: seconds of a core a record": (reading + encoding) / people,
        "shards: bytes a record": len(data) / people,
        "memory: bytes a record in a worker": sum(
            array.nbytes for array in (records.x, records.person, *labels.values())
        ) / people,
    }  # fmt: skip


def _trainer(records: Records, plan: Plan) -> Trainer:
    """The stage's trainer of the protected extractor with default settings."""
    config = TrainConfig()
    spec = InputSpec(modality=plan.reader.modality, shape=records.x.shape[1:])
    private = load("prepare", PrepareConfig).avatars.private
    classes = {a.name: len(a.classes) for a in plan.attributes if a.name in private}
    return Trainer(
        config.objective, config.extractor, config.schedule, spec, classes, seed=config.seed
    )


def _train(trainer: Trainer, records: Records) -> Figures:
    """Cost of the second of two epochs, and of features."""
    trainer.train_epoch(records)
    summary, seconds = _timed(lambda: trainer.train_epoch(records))
    trained = [p for p in trainer.game.parameters() if p.grad is not None]
    features, extracting = _timed(lambda: trainer.features(records))
    return {
        "train: seconds of a core a record": seconds / (summary["steps"] * trainer.schedule.batch),
        "train: bytes of parameters": sum(p.nbytes for p in trainer.game.parameters()),
        "train: bytes of gradients a step": sum(p.nbytes for p in trained),
        "audit: seconds of a core a record for features": extracting / len(features),
        "audit: bytes of features a record": features[0].nbytes,
    }


def _checkpoint(trainer: Trainer) -> Figures:
    """Cost of writing and reading a checkpoint."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _, saving = _timed(lambda: checkpoint.save(trainer, folder))
        _, loading = _timed(lambda: checkpoint.load(trainer, folder))
        size = sum(file.stat().st_size for file in folder.iterdir())
    return {
        "checkpoint: bytes": size,
        "checkpoint: seconds of a core to write": saving,
        "checkpoint: seconds of a core to read": loading,
    }


def _digest() -> Figures:
    """Speed of DVC's digest of a file."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(HASH_BYTES))
        file.flush()
        _, seconds = _timed(lambda: file_md5(file.name))
    return {"dvc: bytes a second and core of a digest": HASH_BYTES / seconds}


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result of `work`, and its processor time in seconds."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


if __name__ == "__main__":
    typer.run(main)
