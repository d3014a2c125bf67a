"""Batches a second and latency of a collector with many devices at once.

    python -m benchmarks.collector.load --devices 50 [--postgres] [--json]

Devices, collector and database share this machine. Each device sends its batches one after the
other, over a connection that it keeps.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.collector.fleet import make_batches, send_all
from benchmarks.collector.postgres import postgres
from benchmarks.collector.server import running
from benchmarks.robustness.outcomes import report
from tiprdc.collect.database import opened
from tiprdc.collect.store import Store
from tiprdc.collect.tokens import Tokens


def main(
    devices: Annotated[int, typer.Option(min=1, help="Devices at once.")] = 50,
    batches: Annotated[int, typer.Option(min=1, help="Batches of each device.")] = 40,
    records: Annotated[int, typer.Option(min=1, max=1024, help="Records of a batch.")] = 64,
    on_postgres: Annotated[bool, typer.Option("--postgres", help="Not on SQLite.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send, and print batches a second, median and 99th percentile."""
    queues = [make_batches(batches, records) for _ in range(devices)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        database = f"sqlite:///{name}/features.db"
        if on_postgres:
            database = stack.enter_context(postgres()).url
        engine = stack.enter_context(opened(database))
        token = Tokens(engine).issue("load")
        url = stack.enter_context(running(database, Path(name, "log")))
        start = time.perf_counter()
        statuses, seconds = send_all(url, token, queues)
        elapsed = time.perf_counter() - start
        stored = Store(engine).counts()[0]
    p50, p99 = np.percentile(seconds, [50, 99])
    figures = {
        "database": "postgresql" if on_postgres else "sqlite",
        "devices": devices,
        "batches": len(statuses),
        "stored": stored,
        "refused": sum(status != 201 for status in statuses),
        "batches_per_second": round(len(statuses) / elapsed, 1),
        "records_per_second": round(len(statuses) * records / elapsed),
        "p50_ms": round(1000 * float(p50), 1),
        "p99_ms": round(1000 * float(p99), 1),
    }
    report(figures, (), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
