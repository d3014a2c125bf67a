"""Train the protected and the unprotected extractor with Ray Train, each a run of its own.

The unprotected extractor is the same network, trained on the same data with a privacy weight of 0.
The loss of utility of a release is measured against it. Each is one Ray Train run of one or more
workers; both in one call train side by side where they fit. After a kill, the same command resumes
each run from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
from msgspec.structs import asdict
from ray.train import CheckpointConfig, ControllerError, FailureConfig, RunConfig
from ray.util.queue import Queue

from pipelines.cluster.connect import ClusterConfig, connect, max_parallel, on_driver_node
from pipelines.cluster.errors import exception_chain
from pipelines.observability.progress import Progress, console
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from pipelines.observability.train_events import EventReceiver, EventSender, Run
from pipelines.observability.train_metrics import StepMetrics
from pipelines.training.checkpoints import checkpoint_writer
from pipelines.training.cross_fitting import predictions_of, with_predictions
from pipelines.training.encoding import trained_shards
from pipelines.training.record_server import RemoteRecords
from pipelines.training.run_lock import hold
from pipelines.training.storage import Storage
from pipelines.training.workers import scaling, worker_context, worker_env
from tiprdc.datasets.schema import Schema, read_labels, read_schema, read_split
from tiprdc.encoders.encoder import copy_encoder
from tiprdc.errors import DataError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.writable import require_writable
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import build_networks
from tiprdc.training import checkpoint
from tiprdc.training.batches import RecordBatches
from tiprdc.training.code import code_digest
from tiprdc.training.config import ROLES, Role, TrainConfig
from tiprdc.training.curves import write_curves
from tiprdc.training.diagnostics import diagnose
from tiprdc.training.feasibility import assess, infeasible
from tiprdc.training.head.codebook_fit import check_codes
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer


def train(
    config: TrainConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    out: Path,
    curves: Path,
    roles: Sequence[Role] = ROLES,
) -> None:
    """Train extractors; write their checkpoints and curves.

    Args:
        config: What to train.
        cluster: Where this runs.
        shards: Folder of `prepare`.
        out: Folder for `protected/` and `unprotected/`.
        curves: Folder for a CSV of the losses by epoch, named after the role.
        roles: Which extractors; several train side by side where they fit.

    Raises:
        ConfigError: A folder cannot be written.
        DataError: Fewer records than one step needs, or labels that make the budget infeasible.
        ClusterError: Ray does not answer, or workers were lost too often.
    """
    for folder in (out, curves):
        require_writable(folder, option="train")
    stage = "train" if "protected" in roles else "train-unprotected"
    with monitor_stage(stage, cluster) as monitor:
        _train(config, cluster, monitor, roles, shards=shards, out=out, curves=curves)


def _train(
    config: TrainConfig, cluster: ClusterConfig, monitor: StageMonitor, roles: Sequence[Role],
    *, shards: Path, out: Path, curves: Path,
) -> None:  # fmt: skip
    shards = trained_shards(config, shards)
    schema = read_schema(shards)
    _check_settings(config, cluster, schema)
    if "protected" in roles:
        check_labels(config, shards, schema)
    storage = Storage(cluster.storage)
    plan = {role: _settings(config, role, shards.resolve(), schema) for role in roles}
    if not any(storage.exists(settings["name"]) for settings in plan.values()):
        _check_pretrained(config, schema)
    runs = {
        str(role): Run(
            name=settings["name"],
            objective=ObjectiveConfig(**settings["objective"]),
            epochs=config.epochs(role),
        )
        for role, settings in plan.items()
    }
    names = [settings["name"] for settings in plan.values()]
    with hold(storage, *names):
        with (
            connect(cluster),
            Progress("epoch") as progress,
            _threads(_runs_at_once(cluster, len(roles))) as pool,
        ):
            queue = Queue(actor_options=on_driver_node())
            shared = {
                "schema": schema,
                "queue": queue,
                "patience": cluster.patience,
                "checkpoint_every": cluster.checkpoint_every,
                "remote_records": RemoteRecords.start(shards)
                if cluster.shards == "streamed"
                else None,
            }
            for role in plan:
                progress.add(role, config.epochs(role))
            fits = {
                role: pool.submit(_fit, {**settings, **shared}, cluster, storage)
                for role, settings in plan.items()
            }
            receiver = EventReceiver(queue, monitor, runs)
            progress.follow(receiver, fits.values())
            for role, fit in fits.items():
                _save_checkpoint(fit.result(), out / role, shards)
        for role in roles:
            write_curves(out / role, role, curves)
        for name in names:
            storage.forget(name)


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are not waited for after an error: the end of Ray ends what they wait for."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _runs_at_once(cluster: ClusterConfig, runs: int) -> int:
    """All if they fit together, else 1: runs that wait for each other's resources never end."""
    demand = {name: cluster.most * n for name, n in cluster.resources().items()}
    return min(runs, max_parallel(demand))


def _check_settings(config: TrainConfig, cluster: ClusterConfig, schema: Schema) -> None:
    records = schema.records["extractor-train"]
    if records < 8 * cluster.most:
        raise DataError(
            "extractor-train", f"{records} records for {cluster.most} workers",
            "at least 8 records a worker", "prepare more people, or lower cluster.workers",
        )  # fmt: skip
    check_codes(config.extractor.codes, records)
    config.told_tasks("protected", schema)
    for name in config.objective.weights:
        if name not in schema.private:
            raise DataError(
                f"train.objective.weights.{name}", "not a private attribute of the shards",
                f"one of {', '.join(schema.private)}",
            )  # fmt: skip


def check_labels(config: TrainConfig, shards: Path, schema: Schema) -> None:
    """Warn of a budget that the labels make infeasible, before hours of training.

    Raises:
        DataError: The budget is infeasible, and `config.infeasible` is `refuse`.
    """
    labels, person = read_labels(shards, schema, "extractor-train")
    for pair in infeasible(assess(labels, person, schema, config.objective.budget)):
        if config.infeasible == "refuse":
            raise DataError(
                "extractor-train",
                pair,
                f"labels that allow both within train.objective.budget "
                f"({config.objective.budget:g}), or train.infeasible: warn",
                "raise train.objective.budget with audit.policy.margin, or expect less of these"
                " tasks and set train.infeasible: warn",
            )
        _warn(str(pair))


def _warn(text: str) -> None:
    console.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)


def _check_pretrained(config: TrainConfig, schema: Schema) -> None:
    """Refuse a wrong file before any worker starts; a run that resumes does not need it."""
    if config.extractor.pretrained:
        build_networks(config.extractor, InputSpec.of(schema), {}, 0)


def _settings(config: TrainConfig, role: Role, shards: Path, schema: Schema) -> dict[str, Any]:
    """A worker's settings as plain values, and the run's name, which changes with any of them."""
    objective, extractor = config.networks(role)
    settings: dict[str, Any] = {
        "role": role,
        "seed": config.seed,
        "extractor": asdict(extractor),
        "objective": asdict(objective),
        "schedule": asdict(config.schedule),
        "head": asdict(config.head) if extractor.head else {},
        "told": config.told_tasks(role, schema),
        "data": schema.digest,
        "code": code_digest(),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    where = {
        "shards": str(shards),
        "extractor": asdict(extractor.absolute()),
    }
    return {**settings, **where, "name": f"{role}-{digest[:16]}"}


def _fit(settings: dict[str, Any], cluster: ClusterConfig, storage: Storage) -> ray.train.Result:
    """One run; starts again if Ray's controller gave up because storage was full or gone."""
    settings, retries = with_predictions(settings, storage, cluster), cluster.retries
    while True:
        try:
            return _attempt(settings, cluster, storage)
        except ControllerError as error:
            by_storage = any(isinstance(layer, OSError) for layer in exception_chain(error))
            if not (retries and by_storage):
                raise
            if not storage.wait_until_writable(settings["name"], cluster.patience):
                raise
            retries -= 1


def _attempt(
    settings: dict[str, Any], cluster: ClusterConfig, storage: Storage
) -> ray.train.Result:
    recovered = storage.recover(settings["name"])
    trainer = ray.train.torch.TorchTrainer(
        _train_worker,
        train_loop_config={**settings, "recovered": recovered},
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


def _train_worker(settings: dict[str, Any]) -> None:
    """In a worker: train until the last epoch, from a checkpoint if there is one."""
    schema = settings["schema"]
    last = ray.train.get_checkpoint() or settings["recovered"]
    trainer = Trainer(
        ObjectiveConfig(**settings["objective"]),
        ExtractorConfig(**settings["extractor"]),
        ScheduleConfig(**settings["schedule"]),
        InputSpec.of(schema),
        {name: schema.classes(name) for name in schema.private},
        seed=settings["seed"],
        head=HeadConfig(**settings["head"]),
        told=settings["told"],
        worker=worker_context(),
        predictions=predictions_of(settings),
        resuming=last is not None,
    )
    if last is not None:
        with last.as_directory() as folder:
            checkpoint.load(trainer, Path(folder))
    records: RecordBatches = settings["remote_records"] or read_split(
        Path(settings["shards"]), schema, "extractor-train"
    )
    first, world = trainer.worker.rank == 0, trainer.worker.world
    sender = EventSender(settings["queue"], settings["role"], first=first)
    metrics = StepMetrics(settings["role"], trainer.game.config, world, sender.report)
    write = checkpoint_writer(trainer, sender, settings["patience"])
    sender.send("started", trainer.epoch, resumed=last is not None, history=trainer.history)
    if trainer.epoch == trainer.epochs:
        # All epochs are trained; Ray needs a report of a checkpoint that is not in its list.
        write(trainer.history[-1])
    while trainer.epoch < trainer.epochs:
        losses = trainer.train_epoch(records, metrics)
        if first:
            # All workers have the same weights: one diagnosis is enough. It joins the history too.
            losses.update(diagnose(trainer, records))
            metrics.report_epoch(losses)
        sender.send("epoch", trainer.epoch, summary=losses)
        done = trainer.epoch == trainer.epochs
        if done or trainer.epoch % settings["checkpoint_every"] == 0:
            write(losses)
            sender.send("checkpoint", trainer.epoch)


def _save_checkpoint(result: ray.train.Result, folder: Path, shards: Path) -> None:
    assert result.checkpoint is not None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_directory(folder, replace=True, allow_links=True) as new:
        result.checkpoint.to_directory(str(new))
        copy_encoder(shards, new)
