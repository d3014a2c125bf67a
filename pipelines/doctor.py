"""What `tiprdc doctor` checks of a clone of the project, as JSON on standard output.

python -m pipelines.doctor
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import ray

from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.cluster.local_ray import temporary_folder
from pipelines.params.check import faults
from tiprdc.errors import TiprdcError

Check = dict[str, str]
"""`subject`, `state`, `result` and `hint`, as tiprdc/cli/machine_checks.py has them."""


def checks() -> Iterator[Check]:
    """Check params.yaml, where Ray keeps its files, and that a cluster can be joined."""
    yield from _settings(Path("params.yaml"))
    try:
        folder = temporary_folder()
    except TiprdcError as error:
        yield _problem("ray folder", error)
    else:
        yield {"subject": "ray folder", "state": "ok", "result": f"{folder}/ray"}
    yield from _cluster()


def _settings(path: Path) -> Iterator[Check]:
    found: list[TiprdcError] = []
    try:
        found.extend(faults(path))
    except TiprdcError as error:
        found.append(error)
    yield from (_problem("settings", fault) for fault in found)
    if not found:
        yield {"subject": "settings", "state": "ok", "result": f"every section of {path} is valid"}


def _cluster() -> Iterator[Check]:
    """Join the cluster of RAY_ADDRESS as a stage does: Ray refuses other versions."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", "local"):
        return
    try:
        with connect(ClusterConfig(log="")):
            resources = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's
    except TiprdcError as error:
        yield _problem("ray versions", error)
        return
    cores, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
    result = (
        f"{address} runs Ray {ray.__version__} on Python {platform.python_version()}, as this"
        f" process; {cores} cores, {gpus} GPUs"
    )
    yield {"subject": "ray versions", "state": "ok", "result": result}


def _problem(subject: str, error: TiprdcError) -> Check:
    expected = f"expected: {error.expected}" if error.expected else ""
    hint = error.hint or expected
    return {
        "subject": subject, "state": "problem", "result": f"{error.where}: {error.given}",
        "hint": hint,
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(list(checks()), sys.stdout)
