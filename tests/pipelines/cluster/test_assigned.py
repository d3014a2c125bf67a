"""A task computes on what Ray assigned to it: a share of a GPU, or no GPU; so many threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch

from pipelines.cluster import assigned
from pipelines.cluster.assigned import assigned_device, assigned_threads
from tiprdc.attacks.device import attack_device

ROOT = Path(__file__).parents[3]
# Ray takes the number of GPUs from the driver: none is there.
TASKS = """
import os, ray
from pipelines.cluster.assigned import assigned_device, assigned_threads
from pipelines.cluster.connect import ClusterConfig, connect

start = ray.init
ray.init = lambda **options: start(num_gpus=2, **options)

def look():
    return assigned_device().type, os.environ.get("CUDA_VISIBLE_DEVICES"), assigned_threads()

with connect(ClusterConfig(num_cpus=4)):
    for gpus, cpus in ((0, 1), (0.25, 1), (1, 2), (0, 4), (0, 0.5)):
        print(*ray.get(ray.remote(num_gpus=gpus, num_cpus=cpus)(look).remote()), sep=",")
"""


def context(gpus: list[str], cores: float) -> Any:
    return SimpleNamespace(
        get_accelerator_ids=lambda: {"GPU": gpus, "TPU": []},
        get_assigned_resources=lambda: {"CPU": cores} if cores else {},
    )


@pytest.mark.parametrize(
    ("gpus", "cores", "device", "threads"),
    [
        ([], 1.0, "cpu", 1), (["3"], 4.0, "cuda", 4), (["0", "1"], 2.5, "cuda", 2),
        ([], 0.5, "cpu", 1), ([], 0.0, "cpu", 1),
    ],
)  # fmt: skip
def test_device_and_threads_follow_the_assignment(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str], cores: float, device: str, threads: int
) -> None:
    """Whatever the machine has."""
    for is_there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_there=is_there: is_there)
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context(gpus, cores))
        assert (assigned_device().type, assigned_threads()) == (device, threads)
    assert assigned.ray is ray


@pytest.mark.slow
@pytest.mark.ray
def test_ray_shows_a_task_its_own_gpu_or_none() -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "4,7"}
    variables.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", TASKS], env=variables, capture_output=True, text=True, timeout=300
    )
    lines = [line.split(",") for line in done.stdout.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("cpu", "1"), ("cuda", "1"), ("cuda", "2"), ("cpu", "4"), ("cpu", "1"),
    ], done.stderr  # fmt: skip
    assert [line[1] for line in lines if line[0] == "cpu"] == [""] * 3
    assert all(line[1] in ("4", "7") for line in lines if line[0] == "cuda")


def test_attack_of_a_task_without_gpu_does_not_ask_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("asked"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert attack_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for value in ("0", None):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value or "1")
        if value is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        assert attack_device().type == "cuda"
