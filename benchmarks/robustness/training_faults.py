"""What training survives: a fault at a random moment, and the same result as without it.

    python -m benchmarks.robustness.training_faults [--times 5] [--only worker,driver] [--workers 1]

Each trial trains both extractors on a small table, hurts it once, and gives the command again if it
ended with an error, as a person would.

    worker      a training worker is killed
    preempted   a training worker is told to end (SIGTERM), as the notice of a spot machine does
    driver      the stage is killed; the command is given again
    head        the head of a cluster is killed and started again, so is the command
    full        the disk of cluster.storage is full for some seconds (a small tmpfs; needs root)
    gone        the folder of cluster.storage is away for some seconds

A trial is good if training ends, each epoch is once in the curves and, after its last fresh start,
once in the journal, and the players are those of an undisturbed run: bit for bit with one worker,
else nearer than `--near` (relative norm of the difference). Only processes that this program
started are hurt.
"""

from __future__ import annotations

import csv
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.robustness.project import Project, descendants, kill_all, training_workers

_DISK = "16m"


@dataclass(frozen=True)
class Trial:
    """What became of one fault.

    Args:
        fault: Which.
        number: Of its trials.
        moment: Epoch of the protected run after which it came.
        commands: How often the command was given.
        starts: How often a run's workers started, over both runs.
        ended: Whether training came to its end.
        once: Whether each epoch is told once.
        difference: Relative norm of the difference from the undisturbed players.
        left: Processes of the first command that outlived everything; they are killed then.
        seconds: From the first command to the end.
    """

    fault: str
    number: int
    moment: int
    commands: int
    starts: int
    ended: bool
    once: bool
    difference: float
    left: int
    seconds: float


Fault = Callable[[Project, subprocess.Popen[bytes], random.Random], None]


def main(
    times: Annotated[int, typer.Option(min=1, help="Trials of each fault.")] = 5,
    only: Annotated[str, typer.Option(help="Names of faults, with commas; all by default.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Of each of the two runs.")] = 1,
    epochs: Annotated[int, typer.Option(min=2, help="Of a trial.")] = 20,
    near: Annotated[float, typer.Option(help="Difference allowed with several workers.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    out: Annotated[Path, typer.Option("--csv", help="For every trial.")] = Path("faults.csv"),
) -> None:
    """Hurt training in every way, several times, and say what it survived."""
    names = only.split(",") if only else list(FAULTS)
    unknown = set(names) - set(FAULTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: one of {', '.join(FAULTS)}")
    log, rng, trials = Console(stderr=True), random.Random(seed), list[Trial]()
    with _project("undisturbed", epochs, workers) as project:
        began = time.monotonic()
        if not project.finish(project.start()):
            sys.exit((project.folder / "said.txt").read_text())
        usual, wanted = time.monotonic() - began, project.players()
    log.print(f"undisturbed: {usual:.0f} s", highlight=False)
    for name in names:
        for number in range(times):
            with _project(name, epochs, workers) as project:
                trials.append(_trial(name, number, project, rng, wanted))
            log.print(trials[-1], highlight=False)
            _write(trials, out)
    limit = 0.0 if workers == 1 else near
    _print(trials, usual, limit)
    if not all(_good(trial, limit) for trial in trials):
        sys.exit(1)


def _trial(
    name: str, number: int, project: Project, rng: random.Random, wanted: torch.Tensor
) -> Trial:
    moment = rng.randrange(project.epochs - 1)
    if name == "head":
        project.start_head()
    began = time.monotonic()
    process = project.start()
    _wait_for(project, process, moment)
    time.sleep(rng.uniform(0, 0.5))
    before = descendants(process)
    FAULTS[name](project, process, rng)
    ended = project.finish(process)
    project.kill_head()
    difference = float("nan")
    if ended:
        found = project.players()
        difference = float((found - wanted).norm() / wanted.norm())
    else:
        Console(stderr=True).print((project.folder / "said.txt").read_text()[-3000:], markup=False)
    return Trial(
        name, number, moment, project.commands, len(project.events("started")), ended,
        ended and project.once(), difference, kill_all(before), round(time.monotonic() - began, 1),
    )  # fmt: skip


def _kill_worker(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    _hurt_worker(process, rng, signal.SIGKILL)


def _preempt(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    _hurt_worker(process, rng, signal.SIGTERM)


def _hurt_worker(process: subprocess.Popen[bytes], rng: random.Random, how: int) -> None:
    workers = training_workers(process)
    if workers:
        with suppress(psutil.NoSuchProcess):
            rng.choice(workers).send_signal(how)


def _kill_driver(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    process.kill()


def _restart_head(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    project.kill_head()
    # As a person does who sees that the cluster is gone.
    process.kill()
    project.start_head()


def _fill(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    filler = project.storage.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**16))
    time.sleep(rng.uniform(2, 8))
    filler.unlink()


def _take_away(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    away = project.storage.with_name("away")
    project.storage.rename(away)
    time.sleep(rng.uniform(2, 8))
    shutil.rmtree(project.storage, ignore_errors=True)
    away.rename(project.storage)


FAULTS: dict[str, Fault] = {
    "worker": _kill_worker,
    "preempted": _preempt,
    "driver": _kill_driver,
    "head": _restart_head,
    "full": _fill,
    "gone": _take_away,
}


@contextmanager
def _project(fault: str, epochs: int, workers: int) -> Iterator[Project]:
    """A new folder, in which storage has a small disk of its own where that is to be filled."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        disk.mkdir()
        if fault == "full":
            _disk("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(disk))
        try:
            yield Project(Path(folder), epochs, workers, disk / "runs")
        finally:
            if fault == "full":
                _disk("umount", "--lazy", str(disk))


def _disk(*command: str) -> None:
    if subprocess.run(command).returncode:
        sys.exit(
            "The fault `full` needs a disk of its own: run it as root, or name others (--only)"
        )


def _wait_for(project: Project, process: subprocess.Popen[bytes], epoch: int) -> None:
    """Until the protected run has started, and told of so many epochs."""
    while process.poll() is None:
        told = [line["number"] for line in project.events("epoch", "protected")]
        if project.events("started", "protected") and max(told, default=0) >= epoch:
            return
        time.sleep(0.05)


def _good(trial: Trial, limit: float) -> bool:
    return trial.ended and trial.once and trial.difference <= limit


def _write(trials: list[Trial], out: Path) -> None:
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(trials[0])))
        writer.writeheader()
        writer.writerows(asdict(trial) for trial in trials)


def _print(trials: list[Trial], usual: float, limit: float) -> None:
    table = Table("fault", "trials", "good", "commands", "difference", "left", "seconds lost")
    for name in FAULTS:
        these = [trial for trial in trials if trial.fault == name]
        if these:
            table.add_row(
                name, str(len(these)), str(sum(_good(trial, limit) for trial in these)),
                str(max(trial.commands for trial in these)),
                f"{max(trial.difference for trial in these):.1e}",
                str(max(trial.left for trial in these)),
                f"{median(trial.seconds for trial in these) - usual:.0f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
