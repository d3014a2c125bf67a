"""Run a loop in Ray Train's workers, as `pipelines/training/run.py` runs its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray.train
import ray.train.torch
from ray.train import RunConfig, ScalingConfig
from torch import nn

from pipelines.cluster import ClusterConfig
from tiprdc.training.worker import WorkerContext

Loop = Callable[[dict[str, Any], WorkerContext], None]
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_ARENA_MAX": "1",
}
"""Where glibc gives out memory: it keeps what a step has freed for the next one.

By its own rules it returns large tensors to the system and asks for them anew, half a million pages
a step at the paper's size, which the system clears each time. Ray Train plays in a thread, whose
arena of its own would not heed the first two.
"""


def run(loop: Loop, settings: dict[str, Any], cluster: ClusterConfig, *, storage: str) -> None:
    """Start the workers, run the loop in each, and wait until all have ended.

    Args:
        loop: A function of a module that the workers can import too.
        settings: Its first argument, plain values; its second is the worker's place.
        cluster: How many workers, with what.
        storage: Folder for what Ray Train keeps.
    """

    def work(config: dict[str, Any]) -> None:
        loop(config, worker_context())

    ray.train.torch.TorchTrainer(
        work,
        train_loop_config=settings,
        scaling_config=scaling(cluster),
        run_config=RunConfig(  # type: ignore[call-arg]  # Ray's own type is that of V1
            storage_path=storage, worker_runtime_env=worker_env()
        ),
    ).fit()


def scaling(cluster: ClusterConfig) -> ScalingConfig:
    """How many workers, with what, as Ray Train wants it."""
    wanted = cluster.workers if isinstance(cluster.workers, int) else (cluster.fewest, cluster.most)
    return ScalingConfig(
        num_workers=wanted,  # type: ignore[arg-type]  # Ray's own type is that of V1
        use_gpu=cluster.gpus_per_worker > 0,
        resources_per_worker=cluster.resources(),
    )


def worker_env() -> dict[str, Any]:
    """The environment of each worker; what is set here already is left as it is."""
    return {"env_vars": {name: os.environ.get(name, value) for name, value in ALLOCATOR.items()}}


def worker_context() -> WorkerContext:
    """Where this worker of Ray Train stands among the others."""
    context = ray.train.get_context()
    return WorkerContext(
        rank=context.get_world_rank(),
        world=context.get_world_size(),
        device=ray.train.torch.get_device(),
        wrap=_synchronised,
    )


def _synchronised(module: nn.Module) -> nn.Module:
    # A step of the adversaries alone leaves the other players without a gradient. Buffers follow
    # from the whole batch, alike on every worker: nothing to send.
    wrapped: nn.Module = ray.train.torch.prepare_model(
        module,
        parallel_strategy_kwargs={"find_unused_parameters": True, "broadcast_buffers": False},
    )
    return wrapped
