"""What Ray assigned to a task or an actor: the device on which it computes, and its threads."""

from __future__ import annotations

import ray
import torch


def assigned_device() -> torch.device:
    """In a worker: the GPU of which Ray assigned a share, else the CPU.

    Ray lets the process see that GPU alone (CUDA_VISIBLE_DEVICES), so it is the first.
    """
    ids = ray.get_runtime_context().get_accelerator_ids()
    return torch.device("cuda" if ids.get("GPU") else "cpu")


def assigned_threads() -> int:
    """In a worker: as many threads as cores, at least 1."""
    resources = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]  # Ray's
    return max(1, int(resources.get("CPU", 1.0)))
