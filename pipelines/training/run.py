"""Train the extractor and its unprotected twin with Ray Train, side by side where there is room.

The twin is the same network, trained on the same data with a privacy weight of 0: what the release
loses in utility is measured against it. Each of the two is one Ray Train run, of one to many
workers, that goes on from its last checkpoint when the same command is given again after a loss.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pandas as pd
import ray
import ray.train
import ray.train.torch
from msgspec import Meta
from msgspec.structs import asdict
from ray.train import CheckpointConfig, ControllerError, FailureConfig, RunConfig
from ray.util.queue import Queue

from pipelines.cluster import ClusterConfig, connect, exception_chain, max_parallel, on_driver_node
from pipelines.observability.progress import Progress, console
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from pipelines.observability.train_events import EventReceiver, EventSender
from pipelines.observability.train_metrics import StepMetrics
from pipelines.training.checkpoints import writer
from pipelines.training.record_server import RemoteRecords
from pipelines.training.storage import Storage
from pipelines.training.workers import scaling, worker_context, worker_env
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Schema, read_labels, read_schema, read_split
from tiprdc.errors import DataError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import build_networks
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.training import checkpoint
from tiprdc.training.diagnostics import CLUB, diagnose
from tiprdc.training.feasibility import assess, infeasible
from tiprdc.training.game import Losses
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import RecordBatches, Trainer

Role = Literal["protected", "unprotected"]
ROLES: tuple[Role, ...] = ("protected", "unprotected")


class TrainConfig(Settings, frozen=True, kw_only=True):
    """Training of the protected and the unprotected extractor (`train`)."""

    params_key: ClassVar[str] = "train"

    seed: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SEED, description="Seed of the weights and of the order of the records."
        ),
    ] = 0  # fmt: skip
    extractor: Annotated[ExtractorConfig, Meta(description="Architecture of both extractors.")] = (
        ExtractorConfig()
    )
    objective: Annotated[
        ObjectiveConfig,
        Meta(description="Training objective; the unprotected extractor has privacy weight 0."),
    ] = ObjectiveConfig()
    schedule: Annotated[ScheduleConfig, Meta(description="Epochs, batch and learning rates.")] = (
        ScheduleConfig()
    )
    infeasible: Annotated[
        Literal["warn", "refuse"],
        Meta(
            description="What to do if the labels alone show that an attribute cannot be hidden "
            "and a task kept.",
        ),
    ] = "warn"

    def _check(self) -> None:
        self.objective.agrees_with(self.extractor)


def train(
    config: TrainConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    out: Path,
    curves: Path,
) -> None:
    """Train both extractors and leave their checkpoints and curves.

    Args:
        config: What to train.
        cluster: Where.
        shards: Folder of `prepare`.
        out: Folder for `protected/` and `unprotected/`.
        curves: CSV of the losses by run and epoch.

    Raises:
        DataError: Fewer records than one step needs, or labels that forbid what is wanted.
        ClusterError: Ray does not answer, or workers were lost too often.
    """
    with monitor_stage("train", cluster) as seen:
        _train(config, cluster, seen, shards=shards, out=out, curves=curves)


def _train(
    config: TrainConfig, cluster: ClusterConfig, seen: StageMonitor,
    *, shards: Path, out: Path, curves: Path,
) -> None:  # fmt: skip
    schema = read_schema(shards)
    _check(config, cluster, schema)
    check_labels(config, shards, schema)
    storage = Storage(cluster.storage)
    plan = {role: _settings(config, role, shards.resolve(), schema) for role in ROLES}
    if not any(storage.exists(settings["name"]) for settings in plan.values()):
        _check_pretrained(config, schema)
    runs = {
        str(role): (made["name"], ObjectiveConfig(**made["objective"]))
        for role, made in plan.items()
    }
    with (
        connect(cluster),
        Progress("epoch") as progress,
        ThreadPoolExecutor(_runs_at_once(cluster)) as pool,
    ):
        queue = Queue(actor_options=on_driver_node())
        more = {
            "schema": schema,
            "queue": queue,
            "patience": cluster.patience,
            "checkpoint_every": cluster.checkpoint_every,
            "shelf": RemoteRecords.fill(shards) if cluster.shards == "streamed" else None,
        }
        for role in plan:
            progress.add(role, config.schedule.epochs)
        fits = {
            role: pool.submit(_fit, {**settings, **more}, cluster, storage)
            for role, settings in plan.items()
        }
        progress.follow(EventReceiver(queue, seen, runs, config.schedule.epochs), fits.values())
        for role, fit in fits.items():
            _keep(fit.result(), out / role)
    _write_curves(out, curves)
    for settings in plan.values():
        storage.forget(settings["name"])


def _runs_at_once(cluster: ClusterConfig) -> int:
    """Both, if there is room: two runs that wait for each other's resources never end."""
    each = {name: cluster.most * n for name, n in cluster.resources().items()}
    return min(len(ROLES), max_parallel(each))


def _check(config: TrainConfig, cluster: ClusterConfig, schema: Schema) -> None:
    records = schema.records["extractor-train"]
    if records < 8 * cluster.most:
        raise DataError(
            "extractor-train", f"{records} records for {cluster.most} workers",
            "at least 8 records a worker", "prepare more people or set cluster.workers lower",
        )  # fmt: skip
    for name in config.objective.weights:
        if name not in schema.private:
            raise DataError(
                f"train.objective.weights.{name}", "not a private attribute of the shards",
                f"one of {', '.join(schema.private)}",
            )  # fmt: skip


def check_labels(config: TrainConfig, shards: Path, schema: Schema) -> None:
    """Say what no training can reach, before hours go into it.

    Raises:
        DataError: The labels forbid what is wanted, and `config.infeasible` is `refuse`.
    """
    labels, person = read_labels(shards, schema, "extractor-train")
    for pair in infeasible(assess(labels, person, schema, config.objective.budget)):
        if config.infeasible == "refuse":
            raise DataError(
                "extractor-train",
                pair,
                f"labels that leave it open within train.objective.budget "
                f"({config.objective.budget:g}), or train.infeasible: warn",
                "raise train.objective.budget with audit.policy.margin,"
                " or expect less of these tasks",
            )
        console.print(f"warning: {pair}", markup=False, highlight=False, soft_wrap=True)


def _check_pretrained(config: TrainConfig, schema: Schema) -> None:
    """Refuse a wrong file before any worker starts; a run that goes on does not need it."""
    if config.extractor.pretrained:
        build_networks(config.extractor, InputSpec.of(schema), {}, 0)


def _settings(config: TrainConfig, role: Role, shards: Path, schema: Schema) -> dict[str, Any]:
    """What a worker needs, as plain values, under a name that changes with any of it."""
    game, extractor = config.objective, config.extractor
    if role == "unprotected":
        game, extractor = game.unprotected(), extractor.unprotected()
    settings: dict[str, Any] = {
        "role": role,
        "seed": config.seed,
        "extractor": asdict(extractor),
        "objective": asdict(game),
        "schedule": asdict(config.schedule),
        "data": schema.digest,
        "code": code_digest(),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    where = {
        "shards": str(shards),
        "extractor": asdict(extractor.absolute()),
    }
    return {**settings, **where, "name": f"{role}-{digest[:16]}"}


def code_digest() -> str:
    """Digest of the code that decides what training and its attacks give.

    A run or a search that was killed is resumed only by the same code.
    """
    root = Path(__file__).parents[2] / "tiprdc"
    folders = ("attacks", "models", "objectives", "statistics", "training")
    files = [root / "distributed.py", *(f for name in folders for f in root.glob(f"{name}/*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _fit(settings: dict[str, Any], cluster: ClusterConfig, storage: Storage) -> ray.train.Result:
    """One run, begun again where Ray's own controller gave up as storage was full or gone."""
    left = cluster.retries
    while True:
        try:
            return _attempt(settings, cluster, storage)
        except ControllerError as error:
            lost = any(isinstance(layer, OSError) for layer in exception_chain(error))
            if not (
                left and lost and storage.wait_until_writable(settings["name"], cluster.patience)
            ):
                raise
            left -= 1


def _attempt(
    settings: dict[str, Any], cluster: ClusterConfig, storage: Storage
) -> ray.train.Result:
    found = storage.recover(settings["name"])
    trainer = ray.train.torch.TorchTrainer(
        _work,
        train_loop_config={**settings, "recovered": found},
        scaling_config=scaling(cluster),
        run_config=RunConfig(  # type: ignore[call-arg]  # Ray's own type is that of V1
            name=settings["name"],
            storage_path=storage.root,
            failure_config=FailureConfig(max_failures=cluster.retries),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
            worker_runtime_env=worker_env(),
        ),
    )
    return trainer.fit()


def _work(settings: dict[str, Any]) -> None:
    """One worker's part."""
    schema = settings["schema"]
    last = ray.train.get_checkpoint() or settings["recovered"]
    trainer = Trainer(
        ObjectiveConfig(**settings["objective"]),
        ExtractorConfig(**settings["extractor"]),
        ScheduleConfig(**settings["schedule"]),
        InputSpec.of(schema),
        {name: schema.classes(name) for name in schema.private},
        seed=settings["seed"],
        place=worker_context(),
        cross_fit=cross_fit,
        resuming=last is not None,
    )
    if last is not None:
        with last.as_directory() as folder:
            checkpoint.load(trainer, Path(folder))
    records: RecordBatches = settings["shelf"] or read_split(
        Path(settings["shards"]), schema, "extractor-train"
    )
    first = trainer.place.rank == 0
    teller = EventSender(settings["queue"], settings["role"], first=first)
    pulse = StepMetrics(settings["role"], trainer.game.config, trainer.place.world, teller.report)
    write = writer(trainer, teller, settings["patience"])
    teller.tell("started", trainer.epoch, resumed=last is not None, history=trainer.history)
    if trainer.epoch == trainer.schedule.epochs:
        # All is done; Ray must hear of a checkpoint that it did not list itself.
        write(trainer.history[-1])
    while trainer.epoch < trainer.schedule.epochs:
        losses = trainer.train_epoch(records, pulse)
        if first:
            # One is enough, as all have the same weights; what it found is in the history too.
            losses.update(diagnose(trainer, records))
            pulse.report_epoch(losses)
        teller.tell("epoch", trainer.epoch, summary=losses)
        done = trainer.epoch == trainer.schedule.epochs
        if done or trainer.epoch % settings["checkpoint_every"] == 0:
            write(losses)
            teller.tell("checkpoint", trainer.epoch)


def _keep(result: ray.train.Result, folder: Path) -> None:
    assert result.checkpoint is not None
    shutil.rmtree(folder, ignore_errors=True)
    result.checkpoint.to_directory(str(folder))


def _write_curves(out: Path, curves: Path) -> None:
    frames = [pd.DataFrame(checkpoint.history(out / role)).assign(run=role) for role in ROLES]
    table = pd.concat(frames)
    table = table[["run", "epoch", *_losses(table.columns)]]
    curves.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(curves, index=False, float_format="%.6g")


def _losses(names: Iterable[str]) -> list[str]:
    """Of the curves; how fast it went is in the journal."""
    return [n for n in names if n in Losses._fields or n.startswith(CLUB) or n == "seconds"]
