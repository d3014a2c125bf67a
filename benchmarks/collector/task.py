"""A task that nobody knew, learnt from what devices sent to a collector: the whole way, once.

    python -m benchmarks.collector.task artifacts/release --devices 600 --json

Each device has some generated faces of one person whom no training has seen. It extracts and sends
them; examples/collector.py learns each task from the collector's export, and the private attribute
likewise. The release is any folder with extractor.onnx and manifest.json of the data set avatars.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from PIL import Image

from benchmarks.collector.server import ROOT, running
from tiprdc.collect.database import opened
from tiprdc.collect.export import export
from tiprdc.collect.tokens import Tokens
from tiprdc.datasets.avatars.drawing import draw_face
from tiprdc.datasets.avatars.reader import ATTRIBUTES
from tiprdc.formats.feature_batch import AcceptedRelease
from tiprdc.runtime.extraction import extract
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.http_client import HttpClient
from tiprdc.runtime.outbox import Outbox
from tiprdc.runtime.records import open_records
from tiprdc.runtime.sending import queue, send, write_ids

Rows = list[tuple[str, ...]]

_SEED = 2026
_SCORE = re.compile(r"on (\d+) new devices: ([\d.]+) \(.* ([\d.]+) and ([\d.]+)\)")


def main(
    release: Annotated[Path, typer.Argument(help="Folder of an extractor of the avatars.")],
    devices: Annotated[int, typer.Option(min=10, help="People, one device each.")] = 600,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each person.")] = 3,
    tasks: Annotated[str, typer.Option(help="Attributes, separated by commas.")] = (
        "glasses,facial_hair,clothing,skin_tone"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw, extract, send, export and learn; print balanced accuracies with one-sided bounds."""
    with tempfile.TemporaryDirectory() as name:
        scores = learn(release, devices, pictures, tasks.split(","), Path(name))
    lines = [
        f"{task:16} {score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        f" on {score['devices']} devices"
        for task, score in scores.items()
    ]
    typer.echo(json.dumps(scores) if as_json else "\n".join(lines))


def learn(
    release: Path, devices: int, pictures: int, tasks: list[str], folder: Path
) -> dict[str, dict[str, float]]:
    """Score of examples/collector.py on each task; `folder` keeps all that is made."""
    extractor = Extractor.load(release)
    contract = extractor.contract
    accepted = AcceptedRelease(
        artifact=contract.name,
        version="v1.0.0",
        model_sha256=contract.model_sha256,
        output=contract.output,
    )
    answers: dict[str, list[tuple[str, ...]]] = {
        task: [("device", "id", "label")] for task in tasks
    }
    document = msgspec.json.encode(accepted).decode()
    database, rng = f"sqlite:///{folder / 'features.db'}", np.random.default_rng(_SEED)
    with opened(database) as engine:
        token = Tokens(engine).issue("all")
        with running(database, folder / "log", "--release", document) as url:
            client = HttpClient(url, token)
            for number in range(devices):
                labels = {name: int(rng.integers(len(c))) for name, c in ATTRIBUTES.items()}
                device = folder / f"device-{number}"
                _draw(
                    device / "pictures", labels, range(number * pictures, (number + 1) * pictures)
                )
                for row in _send(device, extractor, accepted, client):
                    for task in tasks:
                        label = ATTRIBUTES[task][labels[task]]
                        answers[task].append((row["device"], row["id"], label))
        export(engine, folder / "features.parquet")
    return {task: _score(folder, task, answers[task]) for task in tasks}


def _draw(folder: Path, labels: dict[str, int], seeds: range) -> None:
    folder.mkdir(parents=True)
    for number in seeds:
        pixels = draw_face(labels, _SEED, number, 32).astype(np.uint8)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / f"{number}.png")


def _send(
    device: Path, extractor: Extractor, release: AcceptedRelease, client: HttpClient
) -> list[dict[str, str]]:
    """Extract and send a device's pictures; their names at the collector."""
    features = device / "features.npz"
    extract(extractor, open_records(device / "pictures", extractor.contract), features)
    with Outbox(device / "state") as outbox:
        queue(outbox, features, release)
        assert send(outbox, client).refusal is None
        write_ids(outbox, features, device / "sent.csv")
    with (device / "sent.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _score(folder: Path, task: str, answers: Rows) -> dict[str, float]:
    path = folder / f"{task}.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(answers)
    words = ["examples/collector.py", str(folder / "features.parquet"), str(path)]
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    match = _SCORE.search(ended.stdout)
    assert match, ended.stdout
    people, value, low, high = match.groups()
    return {"devices": int(people), "value": float(value), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    typer.run(main)
