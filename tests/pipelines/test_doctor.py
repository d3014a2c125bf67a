"""Doctor joins the cluster of RAY_ADDRESS before a stage does, and names versions that differ."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.utils import check_version_info

from pipelines import doctor

ROOT = Path(__file__).parents[2]
CLUSTER = """
import os, ray
from ray.cluster_utils import Cluster
from pipelines import doctor

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
os.environ["RAY_ADDRESS"] = cluster.address
(check,) = doctor._cluster()
print(check["state"], check["result"].partition("; ")[2])
cluster.shutdown()
"""


def checks() -> list[doctor.Check]:
    return list(doctor._cluster())


@pytest.mark.parametrize("address", ["", "local"])
def test_without_a_cluster_there_is_nothing_to_check(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "init", None)
    assert checks() == []


@pytest.mark.parametrize("theirs", [(ray.__version__, "3.11.99"), ("2.59.0", "3.11.7")])
def test_versions_that_differ_are_a_problem(
    monkeypatch: pytest.MonkeyPatch, theirs: tuple[str, str]
) -> None:
    def refuse(**_: Any) -> None:
        versions = {"ray_version": theirs[0], "python_version": theirs[1]}
        check_version_info(versions, "this process")

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    (check,) = checks()
    assert (check["subject"], check["state"]) == ("ray versions", "problem")
    ours = f"Ray {ray.__version__} on Python {platform.python_version()}"
    assert f"runs Ray {theirs[0]} on Python {theirs[1]}, this process {ours}" in check["result"]
    assert theirs[1] in check["hint"]


@pytest.mark.slow
@pytest.mark.ray
def test_cluster_of_the_same_versions_is_joined() -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", CLUSTER], env=variables, capture_output=True, text=True, timeout=300
    )
    assert ended.stdout.splitlines()[-1] == "ok 3 cores, 0 GPUs", ended.stderr
