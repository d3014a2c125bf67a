"""Kills a collector, and devices that send to it, at random moments; then counts what is lost.

    python -m benchmarks.collector.kills --kills 20 [--postgres] [--json]

Every kill is SIGKILL to the collector and to one device, while batches arrive; with --postgres
every second one is a crash of PostgreSQL besides. At the end every device sends what is left.

    lost        batches that were acknowledged and are not in the database: must be 0
    twice       records that are in the database more than once: must be 0
    absent      records of a device that are not in the database: must be 0
    changed     records whose features differ from the device's: must be 0
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.engine import Engine

from benchmarks.collector.device import ACKNOWLEDGED, STOP
from benchmarks.collector.postgres import Postgres, postgres
from benchmarks.collector.server import FEATURES, ROOT, ServerProcess
from benchmarks.robustness.outcomes import report
from tiprdc.collect.database import BATCHES, opened
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import public_name, unpack_ids
from tiprdc.runtime.feature_files import read_features
from tiprdc.runtime.outbox import Outbox

FAULTS = ("lost", "twice", "absent", "changed")
_ROW = 4 * FEATURES
_LONGEST_WAIT = 120


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often the collector is killed.")] = 20,
    devices: Annotated[int, typer.Option(min=1, help="Devices that send.")] = 4,
    on_postgres: Annotated[bool, typer.Option("--postgres", help="Not on SQLite.")] = False,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Kill, restart, count; exit code 1 if anything is lost, twice or changed."""
    report(kill_at_random(kills, devices, on_postgres, seed), FAULTS, as_json=as_json)


def kill_at_random(kills: int, devices: int, on_postgres: bool, seed: int) -> dict[str, int]:
    """Counts after so many kills at random moments."""
    moments = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database, server = f"sqlite:///{folder / 'features.db'}", None
        if on_postgres:
            server = stack.enter_context(postgres())
            database = server.url
        fleet = _Fleet(folder, database, devices)
        try:
            for number in range(kills):
                fleet.wait_for_batches()
                time.sleep(moments.uniform(0.0, 1.5))
                # A device dies with its batch on the way, or while it waits for the collector.
                for kill in moments.sample((fleet.kill_device, fleet.kill_collector), 2):
                    kill(moments)
                    time.sleep(moments.uniform(0.0, 0.2))
                if server and number % 2:
                    _crash(server)
                fleet.start_collector()
            fleet.finish()
        finally:
            fleet.stop()
        with opened(database) as engine:
            return {"kills": kills, "devices_killed": kills, **_count(engine, fleet.folders)}


class _Fleet:
    """A collector on a fixed port, and processes that send to it."""

    def __init__(self, folder: Path, database: str, devices: int) -> None:
        self._folder, self._database = folder, database
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        with opened(database) as engine:
            self._token = Tokens(engine).issue("fleet")
        self.start_collector()
        self.folders = [folder / f"device-{number}" for number in range(devices)]
        for path in self.folders:
            path.mkdir()
        self._devices = [self._start(path) for path in self.folders]

    def start_collector(self) -> None:
        port = ("--port", str(self._port))
        self.collector = ServerProcess(self._database, self._folder / "log", *port)

    def wait_for_batches(self) -> None:
        """Wait until more is acknowledged than now."""
        before, end = self._acknowledged(), time.monotonic() + _LONGEST_WAIT
        while self._acknowledged() == before:
            assert time.monotonic() < end, "no batch arrives"
            time.sleep(0.01)

    def _acknowledged(self) -> int:
        logs = (path / ACKNOWLEDGED for path in self.folders)
        return sum(log.stat().st_size for log in logs if log.exists())

    def kill_collector(self, _: random.Random) -> None:
        """Kill the collector, which does not start again by itself."""
        self.collector.stop(signal.SIGKILL)

    def kill_device(self, moments: random.Random) -> None:
        """Kill a device and start it again."""
        number = moments.randrange(len(self._devices))
        self._devices[number].kill()
        self._devices[number].wait(60)
        self._devices[number] = self._start(self.folders[number])

    def finish(self) -> None:
        """Let every device send what is left."""
        for path in self.folders:
            (path / STOP).touch()
        for device in self._devices:
            assert device.wait(300) == 0

    def stop(self) -> None:
        for device in self._devices:
            device.kill()
            device.wait(60)
        self.collector.stop()

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        url = f"http://127.0.0.1:{self._port}"
        words = ["-m", "benchmarks.collector.device", str(folder), url, self._token]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment)


def _crash(server: Postgres) -> None:
    server.stop("immediate")
    server.start()


def _count(engine: Engine, folders: list[Path]) -> dict[str, int]:
    """Compare the database with what each device has."""
    stored: dict[tuple[str, str], bytes] = {}
    times: Counter[tuple[str, str]] = Counter()
    batches = set[str]()
    with engine.connect() as connection:
        for row in connection.execute(select(BATCHES)):
            batches.add(row.id)
            for number, id_ in enumerate(unpack_ids(row.ids)):
                key = (row.contributor, id_)
                times[key] += 1
                stored[key] = row.features[number * _ROW : (number + 1) * _ROW]
    sent: dict[tuple[str, str], bytes] = {}
    acknowledged = set[str]()
    for folder in folders:
        acknowledged.update((folder / ACKNOWLEDGED).read_text().split())
        with Outbox(folder / "state") as outbox:
            name = public_name(outbox.contributor)
            for file in folder.glob("*.npz"):
                for rows in read_features(file, 10**6):
                    keys = ((name, id_) for id_ in outbox.record_ids(rows.ids))
                    sent |= zip(keys, (z.tobytes() for z in rows.features), strict=True)
    return {
        "acknowledged": len(acknowledged),
        "batches": len(batches),
        "records": len(stored),
        "lost": len(acknowledged - batches),
        "twice": sum(count > 1 for count in times.values()),
        "absent": len(sent.keys() - stored.keys()),
        "changed": sum(stored[key] != sent.get(key) for key in stored),
    }


if __name__ == "__main__":
    typer.run(main)
