"""A device in a process of its own, which may be killed at any moment: extracts and sends, again.

    python -m benchmarks.collector.device FOLDER URL TOKEN

Until FOLDER/stop exists it writes a new file of features, queues it and sends. What the collector
acknowledged is in FOLDER/acknowledged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from benchmarks.collector.server import FEATURES, RELEASE
from tiprdc.runtime.feature_files import write_features
from tiprdc.runtime.http_client import Answer, HttpClient
from tiprdc.runtime.outbox import Outbox
from tiprdc.runtime.sending import queue, send

RECORDS = 20
ACKNOWLEDGED, STOP = "acknowledged", "stop"


class _LoggedClient(HttpClient):
    """Notes what was acknowledged, before anything else happens."""

    def __init__(self, url: str, token: str, log: Path) -> None:
        super().__init__(url, token)
        self._log = log.open("a", buffering=1)

    def send(self, method: str, path: str, body: bytes) -> Answer:
        answer = super().send(method, path, body)
        if answer.is_success:
            self._log.write(f"{path.rsplit('/', 1)[1]}\n")
        return answer


def main(folder: Path, url: str, token: str) -> None:
    """Send until it is stopped, then all that is left."""
    client = _LoggedClient(url, token, folder / ACKNOWLEDGED)
    with Outbox(folder / "state") as outbox:
        number = len(list(folder.glob("*.npz")))
        # A run that was killed may have written the last file without queueing it.
        for file in sorted(folder.glob("*.npz"))[-1:]:
            queue(outbox, file, RELEASE)
        while not (folder / STOP).exists():
            queue(outbox, write_file(folder, number), RELEASE)
            send(outbox, client)
            number += 1
        result = send(outbox, client)
    raise typer.Exit(1 if result.waiting else 0)


def write_file(folder: Path, number: int) -> Path:
    """Features of new records, others in every file."""
    z = np.random.default_rng().uniform(-1, 1, (RECORDS, FEATURES)).astype(np.float32)
    path = folder / f"{number:06d}.npz"
    names = [f"{number}-{n}.jpg" for n in range(RECORDS)]
    write_features(path, names, [z], (FEATURES,), RELEASE.model_sha256)
    return path


if __name__ == "__main__":
    typer.run(main)
