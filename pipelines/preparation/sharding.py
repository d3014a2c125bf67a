"""Prepare a data set on Ray: workers read and encode shards, the driver plans and writes them.

The bytes do not depend on the number of workers, and no worker needs the project's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ray

from pipelines.cluster.connect import ClusterConfig, connect, max_parallel
from pipelines.cluster.tasks import run_tasks
from pipelines.observability.progress import console, progress
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema
from tiprdc.datasets.shard_plan import Plan, encode, make_plan
from tiprdc.datasets.shard_writing import Encoded, write_shards
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.writable import require_writable


def prepare(config: PrepareConfig, cluster: ClusterConfig, *, out: Path) -> Schema:
    """Write the shards of a data set, all or nothing.

    Args:
        config: Which data set, and how it is divided.
        cluster: Where this runs.
        out: Folder for the shards and `schema.json`.

    Raises:
        ConfigError: The shards cannot be written.
        DataError: The data do not fit the settings; `out` is left as it was.
        ClusterError: Ray does not answer, or a worker was lost too often.
    """
    require_writable(out.parent, option="prepare")
    with monitor_stage("prepare", cluster) as monitor:
        plan = make_plan(config)
        out.parent.mkdir(parents=True, exist_ok=True)
        whole = atomic_directory(out, replace=True, allow_links=True)
        with connect(cluster), whole as folder:
            schema = write_shards(config, plan, _encoded(plan, monitor), folder, _say)
        counts = {"records": schema.records, "unreadable": schema.unreadable}
        monitor.log_event("prepared", counts)
        return schema


def _encoded(plan: Plan, monitor: StageMonitor) -> Iterator[tuple[str, Encoded]]:
    shared = ray.put(plan)
    arguments = {file: (shared, start, stop) for file, start, stop in plan.shards}
    # Two shards for each core: enough to keep all busy, few enough for the object store.
    results = run_tasks(encode, arguments, at_once=2 * max_parallel({"CPU": 1}), retries=3)
    yield from progress(
        results, total=len(arguments), label="prepare", unit="shard",
        on_change=monitor.set_progress,
    )  # fmt: skip


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
