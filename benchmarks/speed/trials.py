"""Overhead of a search beside its trials, and the cost of a kill in the middle.

    python -m benchmarks.speed.trials [--trials 100] [--json]

Runs `pipelines/tuning.py` three times on a few generated faces, as `ray submit` does: to the end;
until half of the trials have ended, when it and its Ray get SIGKILL; and again, to resume. The
trials are tiny (an epoch of a small network, one linear attacker), so the overhead of Ray Tune is
at its largest. Run it on an idle machine.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.event_log import read
from pipelines.preparation.sharding import prepare
from tiprdc.datasets.avatars.reader import AvatarsConfig
from tiprdc.datasets.prepare_config import PrepareConfig

ROOT = Path(__file__).parents[2]
PEOPLE = 1200
SMALL = {
    "epochs": 1, "people": 400, "seeds": 1, "features": [8, 16], "attacks": ["logistic_regression"],
}  # fmt: skip
Figures = dict[str, Any]


def main(
    trials: Annotated[int, typer.Option(min=4, help="Of each search.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _prepare(folder)
        complete = _Search(folder, "complete", trials).finish()
        killed = _Search(folder, "killed", trials)
        ended = killed.kill_when(lambda: len(killed.ended()) >= trials // 2)
        resumed = killed.finish()
    cores = len(os.sched_getaffinity(0))
    figures = {
        "trials": trials,
        "cores": cores,
        "wall_seconds": complete["wall_seconds"],
        "trials_own_seconds": complete["own_seconds"],
        "wall_over_own_on_all_cores": complete["wall_seconds"] * cores / complete["own_seconds"],
        "ended_before_the_kill": ended,
        "reused": resumed["reused"],
        "ended_but_run_again": ended - resumed["reused"],
        "wall_seconds_to_resume": resumed["wall_seconds"],
        "settings_at_the_end": resumed["settings"],
    }
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    table = Table("what", "measured")
    for name, value in figures.items():
        text = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
        table.add_row(name.replace("_", " "), text)
    Console().print(table)


def _prepare(folder: Path) -> None:
    """Prepare the shards of all searches."""
    config = PrepareConfig(avatars=AvatarsConfig(people=PEOPLE, attackers=0))
    prepare(config, ClusterConfig(log=""), out=folder / "shards")


class _Search:
    """One search, which may be killed and resumed.

    Args:
        folder: Contains the shards.
        name: Name of its own folder.
        trials: Number of trials.
    """

    def __init__(self, folder: Path, name: str, trials: int) -> None:
        self.folder = folder / name
        self.journal = self.folder / "logs" / "tune.jsonl"
        self.folder.mkdir()
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        params["train"]["extractor"].update(width=8, features=16)
        params["tune"].update(SMALL)
        params["cluster"]["log"] = str(self.journal.parent)
        yaml.dump(params, self.folder / "params.yaml")
        options = {
            "trials": trials, "shards": folder / "shards", "params": self.folder / "params.yaml",
            "out": self.folder / "out", "storage": self.folder / "runs",
        }  # fmt: skip
        self.command = [sys.executable, str(ROOT / "pipelines" / "tuning.py")]
        for option, value in options.items():
            self.command += [f"--{option}", str(value)]

    def ended(self) -> dict[str, float]:
        """Finished trial -> its own seconds."""
        trials = [line for line in read(self.journal) if line["event"] == "trial"]
        return {line["run"]: line["seconds"] for line in trials if "seconds" in line}

    def kill_when(self, condition: Callable[[], bool]) -> int:
        """Start the search and kill all its processes; returns the number of finished trials."""
        process = self._start(subprocess.DEVNULL)
        try:
            while not condition():
                if process.poll() is not None:
                    sys.exit(f"the search ended with {process.returncode} before it was killed")
                time.sleep(0.05)
        finally:
            # Ray's processes are in the same session and are killed too.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return len(self.ended())

    def finish(self) -> Figures:
        """Run the search to its end."""
        start = time.monotonic()
        process = self._start(subprocess.PIPE)
        _, log = process.communicate()
        if process.returncode:
            sys.exit(log)
        numbers = [int(number) for number in re.findall(r"tune: (\d+) of", log)]
        front = (self.folder / "out" / "front.csv").read_text().splitlines()
        return {
            "wall_seconds": time.monotonic() - start,
            "own_seconds": sum(self.ended().values()),
            # The first trial that ends now has its number among all finished trials.
            "reused": numbers[0] - 1,
            "settings": len(front) - 1,
        }

    def _start(self, errors: int) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        return subprocess.Popen(
            self.command, env={**environment, "OMP_NUM_THREADS": "1"}, text=True,
            stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
