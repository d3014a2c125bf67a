"""Time and memory of each DVC stage, and of `dvc repro` with nothing to do.

    python -m benchmarks.speed.graph          (or `make bench`)

Runs the project with its params.yaml in a temporary copy with its own cache, one stage after
another. Prints a table and writes benchmarks/graph.json with a description of the machine: figures
of other machines cannot be compared.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from benchmarks.speed.memory import MIB, peak_memory

ROOT = Path(__file__).parents[2]
Figures = dict[str, float]


def main() -> None:
    console = Console()
    machine = {
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // MIB,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _copy(folder)
        graph = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
        # Stages of variants exist once for each variant; by default there is none.
        stages = [name for name, stage in graph.items() if "foreach" not in stage]
        figures = {}
        for stage in stages:
            console.print(f"{stage} ...", highlight=False)
            figures[stage] = _measure(folder, ["repro", "--single-item", stage])
        figures["nothing to do"] = _measure(folder, ["repro"])
    result = {"machine": machine, "figures": figures}
    (ROOT / "benchmarks" / "graph.json").write_text(json.dumps(result, indent=1) + "\n")
    _print(console, figures)


def _copy(folder: Path) -> None:
    """Copy the files of the Git repository into a new repository; the original is unchanged."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def _measure(folder: Path, command: list[str]) -> Figures:
    """Run DVC; seconds, and peak memory of one process and of all together."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
    )
    with peak_memory(process.pid) as peak:
        code = process.wait()
    seconds = time.monotonic() - before
    if code:
        sys.exit(f"dvc {' '.join(command)} ended with {code}")
    return {"seconds": round(seconds, 1), **{name: round(mib) for name, mib in peak.items()}}


def _print(console: Console, figures: dict[str, Figures]) -> None:
    table = Table("stage", "seconds", "largest process, MiB", "all processes, MiB")
    for stage, figure in figures.items():
        table.add_row(stage, *(f"{figure[key]:,}" for key in figure))
    console.print(table)
    total = sum(figure["seconds"] for figure in figures.values())
    console.print(f"In all {total:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
