"""A loop in Ray Train's workers, and the memory that they are given to work with."""

from __future__ import annotations

import json
import os
import platform
import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.cluster import ClusterConfig
from pipelines.training import workers
from tiprdc.training.worker import WorkerContext

_MIB = 2**18  # numbers of four bytes


def allocate(settings: dict[str, Any], place: WorkerContext) -> None:
    """Fill and free large tensors again and again, and leave how often memory was asked for."""
    faults = []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for size in (48, 96, 192):
            torch.zeros(size * _MIB)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    Path(settings["out"]).write_text(json.dumps({"faults": faults, "world": place.world}))


@pytest.mark.ray
def test_a_worker_keeps_the_memory_of_a_step_for_the_next(tmp_path: Path, local_ray: None) -> None:
    settings = {"out": str(tmp_path / "seen.json")}
    workers.run(allocate, settings, ClusterConfig(workers=1), storage=str(tmp_path / "runs"))
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["world"] == 1
    if platform.libc_ver()[0] == "glibc":
        # Given back, it would be 336 MiB, a page of 4 KiB each, again.
        assert seen["faults"][-1] < 2_000


def test_what_somebody_set_for_the_allocator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "3")
    given = workers.worker_env()["env_vars"]
    assert given["MALLOC_ARENA_MAX"] == "3"
    assert given.keys() == workers.ALLOCATOR.keys()
    assert os.environ["MALLOC_ARENA_MAX"] == "3"
