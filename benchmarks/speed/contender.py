"""One contender of benchmarks/speed/step.py: processes that run training steps on command.

    python -m benchmarks.speed.contender SETTINGS    settings as JSON; torchrun starts it too

Each process connects to the benchmark, reports that it is ready, runs one short epoch for each
"go", and answers with the time it took. Between its turns it waits: only one contender computes at
a time.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Client
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import nn

from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.training.workers import run
from tiprdc.datasets.schema import Records
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.models.published import published_networks
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.published_schedule import PublishedSchedule
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext

AS_PUBLISHED = {
    "privacy_weight": 0.66,
    "kernel_adversary": 0.0,
    "memory": 0,
    "adversaries": 1,
    "adversary_steps": 1,
    "confusion_loss": "cross_entropy",
    "mi_estimator": "jsd",
    "negatives": 1,
}
"""The paper's objective, which the separate backwards support."""


def main() -> None:
    settings = json.loads(sys.argv[1])
    if settings["launcher"] == "ray":
        workers = settings["processes"]
        each = max(cores() // workers, 1)
        cluster = ClusterConfig(workers=workers, cpus_per_worker=each, num_cpus=workers * each)
        with tempfile.TemporaryDirectory() as storage, connect(cluster):
            run(serve, settings, cluster, storage=storage)
    elif settings["launcher"] == "torchrun":
        torch.distributed.init_process_group("gloo")
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        serve(settings, WorkerContext(rank=rank, world=world, wrap=_synchronised))
        torch.distributed.destroy_process_group()
    elif settings["compiled"]:
        serve(settings, WorkerContext(wrap=_compiled))
    else:
        serve(settings, WorkerContext())


def _compiled(game: nn.Module) -> nn.Module:
    """Compiles the trunks, which do nearly all arithmetic."""
    assert isinstance(game, Game)
    game.extractor.trunk.compile()
    game.critic.trunk.compile()
    return game


def cores() -> int:
    """Cores that this process may use; `taskset` can limit them."""
    return len(os.sched_getaffinity(0))


def serve(settings: dict[str, Any], worker: WorkerContext) -> None:
    """Connect to the benchmark and run an epoch for each "go" until "end"."""
    published = settings["schedule"] == "published"
    run_epoch = _published_epoch(settings) if published else _trainer_epoch(settings, worker)
    address, key = tuple(settings["address"]), bytes.fromhex(settings["key"])
    with Client(address, authkey=key) as connection:
        ready = {"name": settings["name"], "threads": torch.get_num_threads()}
        connection.send_bytes(json.dumps(ready).encode())
        while connection.recv_bytes() == b"go":
            wall, cpu = time.perf_counter(), time.process_time()
            run_epoch()
            figures = {
                "seconds": (time.perf_counter() - wall) / settings["steps"],
                "cpu_seconds": (time.process_time() - cpu) / settings["steps"],
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
            connection.send_bytes(json.dumps(figures).encode())


def _trainer_epoch(settings: dict[str, Any], worker: WorkerContext) -> Callable[[], object]:
    """An epoch of the project's trainer."""
    trainer = Trainer(
        ObjectiveConfig(**settings["objective"]),
        ExtractorConfig(),
        ScheduleConfig(
            epochs=10_000, batch=settings["batch"], warm_up=0, precision=settings["precision"]
        ),
        _spec(settings),
        settings["private"],
        seed=0,
        worker=worker,
        network_factory=_network_factory(settings),
    )
    # From epoch 1 on the pressure is full, as in nearly all steps.
    trainer.epoch = 1
    records = _records(settings)

    def run_epoch() -> None:
        trainer.train_epoch(records)
        # Frees memory for the other contenders while this one waits.
        trainer.game.zero_grad(set_to_none=True)

    return run_epoch


def _published_epoch(settings: dict[str, Any]) -> Callable[[], object]:
    """An epoch of the published schedule."""
    torch.manual_seed(0)
    game = Game(
        ObjectiveConfig(**settings["objective"]), ExtractorConfig(),
        _spec(settings), settings["private"], _network_factory(settings),
    )  # fmt: skip
    schedule, records = PublishedSchedule(game), _records(settings)
    x = torch.from_numpy(records.x).split(settings["batch"])
    u = torch.from_numpy(records.labels["private"])[:, None].split(settings["batch"])

    def run_epoch() -> None:
        for pictures, labels in zip(x, u, strict=True):
            schedule.step(pictures, labels)
        game.zero_grad(set_to_none=True)

    return run_epoch


def _network_factory(settings: dict[str, Any]) -> NetworkFactory:
    if settings["networks"] == "ours":
        return build_networks
    return functools.partial(published_networks, width=settings["width"])


def _spec(settings: dict[str, Any]) -> InputSpec:
    return InputSpec(modality="image", shape=(3, *settings["size"]))


def _records(settings: dict[str, Any]) -> Records:
    rng, count = np.random.default_rng(0), settings["batch"] * settings["steps"]
    (classes,) = settings["private"].values()
    return Records(
        x=rng.integers(0, 256, (count, 3, *settings["size"]), dtype=np.uint8),
        labels={"private": rng.integers(0, classes, count)},
        person=np.arange(count).astype(str),
    )


def _synchronised(module: nn.Module) -> nn.Module:
    # As pipelines/training/workers.py wraps the game.
    return nn.parallel.DistributedDataParallel(
        module, find_unused_parameters=True, broadcast_buffers=False
    )


if __name__ == "__main__":
    main()
