"""A collector in a process of its own, for a made-up release of 64 features.

    python -m benchmarks.collector.server sqlite:///features.db

It is the collector of `tiprdc collect`, without the check of a release's folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from tiprdc.collect.app import Collector, make_app
from tiprdc.collect.database import opened
from tiprdc.collect.rates import parse_rate
from tiprdc.collect.server import serve
from tiprdc.collect.store import Store
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import AcceptedRelease
from tiprdc.formats.manifest import OutputTensor

ROOT = Path(__file__).parents[2]
FEATURES = 64
RELEASE = AcceptedRelease(
    artifact="extractor",
    version="v1.0.0",
    model_sha256="ab" * 32,
    output=OutputTensor(name="z", dtype="float32", shape=("batch", FEATURES), clip=8.0),
)
UNLIMITED = "1000000/second"


def main(
    database: str,
    port: int = 0,
    rate: str = UNLIMITED,
    blocked: str = "",
    release: str = "",
    origin: str = "",
) -> None:
    """Serve and print the URL; `release` is an AcceptedRelease as JSON, or the made-up one."""
    accepted = msgspec.json.decode(release, type=AcceptedRelease) if release else RELEASE
    with opened(database) as engine:
        store = Store(engine)
        store.claim(accepted)
        collector = Collector(
            release=accepted,
            store=store,
            tokens=Tokens(engine),
            rate=parse_rate(rate),
            blocked_reason=lambda: blocked,
            origins=(origin,) if origin else (),
        )
        serve(make_app(collector), "127.0.0.1", port, ready=_print)


def _print(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


class ServerProcess:
    """A started collector.

    Args:
        database: Its URL.
        log: File of its standard error.
        options: Of `main`.
    """

    def __init__(self, database: str, log: Path, *options: str) -> None:
        words = [sys.executable, "-m", "benchmarks.collector.server", database, *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=stream, text=True, cwd=ROOT, env=environment
            )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal and wait."""
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()


@contextmanager
def running(database: str, log: Path, *options: str) -> Iterator[str]:
    """Run a collector; yields its URL."""
    server = ServerProcess(database, log, *options)
    try:
        yield server.url
    finally:
        server.stop()


if __name__ == "__main__":
    typer.run(main)
