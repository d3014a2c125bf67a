"""One contender of benchmarks/speed/step.py: processes that step on command.

    python -m benchmarks.speed.contender SETTINGS    settings as JSON; torchrun starts it too

Each process connects to the referee, says that it is ready, and then plays one short epoch for
each "go", answering how long that took. Between its turns it waits: only one contender computes.
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

from pipelines.cluster import ClusterConfig, connect
from pipelines.training.workers import run
from tiprdc.datasets.schema import Records
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import build_networks
from tiprdc.models.published import published_networks
from tiprdc.training.game import Game
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.published_schedule import PublishedSchedule
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer, WorkerContext

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
"""The paper's rules: what the separate backwards can play."""


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
    """With its trunks compiled, where nearly all arithmetic is."""
    assert isinstance(game, Game)
    game.extractor.trunk.compile()
    game.critic.trunk.compile()
    return game


def cores() -> int:
    """Cores that this process may use: fewer than the machine's under `taskset`."""
    return len(os.sched_getaffinity(0))


def serve(settings: dict[str, Any], place: WorkerContext) -> None:
    """Connect to the referee and play an epoch for each "go" until it says "end"."""
    play = _published(settings) if settings["schedule"] == "published" else _ours(settings, place)
    address, key = tuple(settings["address"]), bytes.fromhex(settings["key"])
    with Client(address, authkey=key) as referee:
        hello = {"name": settings["name"], "threads": torch.get_num_threads()}
        referee.send_bytes(json.dumps(hello).encode())
        while referee.recv_bytes() == b"go":
            wall, cpu = time.perf_counter(), time.process_time()
            play()
            found = {
                "seconds": (time.perf_counter() - wall) / settings["steps"],
                "cpu_seconds": (time.process_time() - cpu) / settings["steps"],
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
            referee.send_bytes(json.dumps(found).encode())


def _ours(settings: dict[str, Any], place: WorkerContext) -> Callable[[], object]:
    """The project's own loop."""
    trainer = Trainer(
        ObjectiveConfig(**settings["rules"]),
        ExtractorConfig(),
        ScheduleConfig(
            epochs=10_000, batch=settings["batch"], warm_up=0, precision=settings["precision"]
        ),
        _spec(settings),
        settings["private"],
        seed=0,
        place=place,
        network_factory=_make_players(settings),
    )
    # From here on the extractor hides with full pressure, as it does in nearly all steps.
    trainer.epoch = 1
    records = _records(settings)

    def play() -> None:
        trainer.train_epoch(records)
        # Others want the memory while this one waits.
        trainer.game.zero_grad(set_to_none=True)

    return play


def _published(settings: dict[str, Any]) -> Callable[[], object]:
    """The published schedule, batch after batch."""
    torch.manual_seed(0)
    game = Game(
        ObjectiveConfig(**settings["rules"]), ExtractorConfig(),
        _spec(settings), settings["private"], _make_players(settings),
    )  # fmt: skip
    schedule, records = PublishedSchedule(game), _records(settings)
    x = torch.from_numpy(records.x).split(settings["batch"])
    u = torch.from_numpy(records.labels["private"])[:, None].split(settings["batch"])

    def play() -> None:
        for pictures, labels in zip(x, u, strict=True):
            schedule.step(pictures, labels)
        game.zero_grad(set_to_none=True)

    return play


def _make_players(settings: dict[str, Any]) -> Any:
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
