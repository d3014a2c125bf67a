"""Speed of `prepare` on pictures, and whether its memory grows with their number.

    python -m benchmarks.speed.prepare [--pictures 2000] [--json]

Writes JPEG files of 178 x 218 (the size of CelebA's) and two manifests of them, one with ten times
as many rows. Runs the stage on one core and on two, and a loop in one process that only opens,
shrinks and collects pictures. A rate is that of the additional records of the larger manifest; the
cost of the start, mostly Ray's, is a figure of its own. Run it on an idle machine.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from benchmarks.speed.memory import peak_memory
from tiprdc.datasets.avatars.reader import AvatarsConfig, AvatarsReader

ROOT = Path(__file__).parents[2]
FACES, SIZE, LARGER = 200, 32, 10
Figures = dict[str, float]


def main(
    pictures: Annotated[int, typer.Option(min=1000, help="Rows of the smaller manifest.")] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Measure, and print."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifests = {rows: _manifest(folder, rows) for rows in (pictures, LARGER * pictures)}
        figures = {"plain loop": _slope({n: _loop(path) for n, path in manifests.items()})}
        for count in range(1, len(cores) + 1):
            runs = {n: _stage(path, folder, cores[:count]) for n, path in manifests.items()}
            figures[f"prepare, cores: {count}"] = _slope(runs)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    table = Table("", *figures)
    for name in figures[f"prepare, cores: {len(cores)}"]:
        measured = (row.get(name) for row in figures.values())
        table.add_row(name, *("" if value is None else f"{value:,.1f}" for value in measured))
    Console().print(table)


def _manifest(folder: Path, rows: int) -> Path:
    """A manifest of this many people, each with a file: links to a few faces."""
    faces = folder / "faces"
    if not faces.exists():
        faces.mkdir()
        reader = AvatarsReader(AvatarsConfig(people=FACES), seed=0)
        index = reader.index().records
        for number, face in enumerate(reader.read(index, reader.fit(index)).x):
            small = Image.fromarray(np.ascontiguousarray(face.transpose(1, 2, 0)))
            small.resize((178, 218), Image.Resampling.BICUBIC).save(faces / f"{number}.jpg")
    path = folder / f"{rows}.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "secret", "task"])
        for number in range(rows):
            link = folder / f"{rows}-{number}.jpg"
            link.hardlink_to(faces / f"{number % FACES}.jpg")
            writer.writerow((link.name, number % 2, number // 2 % 2))
    return path


def _loop(manifest: Path) -> Figures:
    """The plain loop: opens, shrinks and collects all pictures in this process."""
    start = time.monotonic()
    with manifest.open(newline="") as stream:
        paths = [manifest.parent / row["image"] for row in csv.DictReader(stream)]
    arrays = []
    for path in paths:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            arrays.append(np.asarray(small).transpose(2, 0, 1))
    np.stack(arrays)
    return {"seconds": time.monotonic() - start}


def _stage(manifest: Path, folder: Path, cores: list[int]) -> Figures:
    """Run `prepare` in its own processes, on these cores."""
    project = folder / f"{manifest.stem}-{len(cores)}"
    project.mkdir()
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["prepare"]["dataset"] = "manifest"
    params["prepare"]["manifest"].update(
        path=str(manifest), root=str(folder), modality="image", x=["image"], private=["secret"],
        utility=["task"], person=None, split=None, size=SIZE,
    )  # fmt: skip
    params["cluster"].update(num_cpus=len(cores), log="")
    yaml.dump(params, project / "params.yaml")
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.prepare"], cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with peak_memory(process.pid) as peak:
        _, log = process.communicate()
    if process.returncode:
        sys.exit(log)
    return {"seconds": time.monotonic() - start, **peak}


def _slope(runs: dict[int, Figures]) -> Figures:
    """From runs with few and many records: the rate between them, and the time of the start."""
    (few, small), (many, large) = sorted(runs.items())
    rate = (many - few) / (large["seconds"] - small["seconds"])
    return {
        "records_per_second": rate,
        "seconds_of_start": small["seconds"] - few / rate,
        **{f"{name}_{few}": small[name] for name in small},
        **{f"{name}_{many}": large[name] for name in large},
    }


if __name__ == "__main__":
    typer.run(main)
