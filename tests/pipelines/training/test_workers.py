"""A loop in Ray Train's workers, and their allocator."""

from __future__ import annotations

import json
import os
import platform
import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.cluster.connect import ClusterConfig
from pipelines.training import workers
from tiprdc.training.worker import WorkerContext

_MIB = 2**18  # numbers of four bytes


def allocate(settings: dict[str, Any], place: WorkerContext) -> None:
    """Fill and free large tensors repeatedly, and write the number of page faults."""
    faults = []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for size in (48, 96, 192):
            torch.zeros(size * _MIB)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    Path(settings["out"]).write_text(json.dumps({"faults": faults, "world": place.world}))


@pytest.mark.slow
@pytest.mark.ray
def test_worker_reuses_freed_memory(tmp_path: Path, local_ray: None) -> None:
    settings = {"out": str(tmp_path / "faults.json")}
    workers.run(allocate, settings, ClusterConfig(workers=1), storage=str(tmp_path / "runs"))
    result = json.loads((tmp_path / "faults.json").read_text())
    assert result["world"] == 1
    if platform.libc_ver()[0] == "glibc":
        # Memory that went back to the system would be 336 MiB in pages of 4 KiB.
        assert result["faults"][-1] < 2_000


def test_allocator_settings_of_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "3")
    variables = workers.worker_env()["env_vars"]
    assert variables["MALLOC_ARENA_MAX"] == "3"
    assert variables.keys() == workers.ALLOCATOR.keys()
    assert os.environ["MALLOC_ARENA_MAX"] == "3"
