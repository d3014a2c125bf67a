"""Start Ray Train's workers: their number, resources, environment and gradient exchange."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray.train
import ray.train.torch
from ray.train import RunConfig, ScalingConfig
from torch import nn

from pipelines.cluster.connect import ClusterConfig
from tiprdc.training.worker import WorkerContext

Loop = Callable[[dict[str, Any], WorkerContext], None]
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_ARENA_MAX": "1",
}
"""Settings of glibc's allocator: memory that a step frees stays for the next step.

By default glibc returns large tensors to the system and requests them again: half a million pages a
step at the paper's size, which the system clears each time. Ray Train trains in a thread, and the
arena of a thread would ignore the first two.
"""


def run(loop: Loop, settings: dict[str, Any], cluster: ClusterConfig, *, storage: str) -> None:
    """Start the workers, run the loop in each, and wait until all have ended.

    Args:
        loop: A function of a module that the workers can import too.
        settings: Its first argument, plain values; its second is the worker's context.
        cluster: Number of workers, and the resources of each.
        storage: Folder for Ray Train's state.
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
    """Number of workers and their resources, in Ray Train's terms."""
    workers = cluster.workers
    number = workers if isinstance(workers, int) else (cluster.fewest, cluster.most)
    return ScalingConfig(
        num_workers=number,  # type: ignore[arg-type]  # Ray's own type is that of V1
        use_gpu=cluster.gpus_per_worker > 0,
        resources_per_worker=cluster.resources(),
    )


def worker_env() -> dict[str, Any]:
    """Environment of each worker; a variable that is set in this process keeps its value."""
    return {"env_vars": {name: os.environ.get(name, value) for name, value in ALLOCATOR.items()}}


def worker_context() -> WorkerContext:
    """Rank, number of workers and device of this worker of Ray Train."""
    context = ray.train.get_context()
    return WorkerContext(
        rank=context.get_world_rank(),
        world=context.get_world_size(),
        device=ray.train.torch.get_device(),
        wrap=_synchronise,
    )


def _synchronise(module: nn.Module) -> nn.Module:
    # A step of the adversaries alone leaves the other networks without a gradient. Buffers follow
    # from the whole batch and are equal on every worker: nothing to send.
    wrapped: nn.Module = ray.train.torch.prepare_model(
        module,
        parallel_strategy_kwargs={"find_unused_parameters": True, "broadcast_buffers": False},
    )
    return wrapped
