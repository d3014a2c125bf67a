"""Fault tests of training: injects faults at random moments and compares the result.

    python -m benchmarks.robustness.training_faults [--times 5] [--only worker,driver] [--workers 1]

Each fault run trains both extractors on a small table, injects one fault, and repeats the command
if it ended with an error, as a user would.

    worker      a training worker is killed
    preempted   a training worker gets SIGTERM, as before the preemption of a spot machine
    driver      the stage is killed; the command is repeated
    head        the head of a cluster is killed and restarted; the command is repeated
    full        the disk of cluster.storage is full for some seconds (a small tmpfs; needs root)
    gone        the folder of cluster.storage is missing for some seconds

A fault run passes if training finishes, each epoch is once in the curves and, after the last start
from scratch, once in the event log, and the weights equal those of an undisturbed run: bit for bit
with one worker, else within `--near` (relative norm of the difference). Only processes that this
program started are killed.
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

from benchmarks.outputs import writable_file
from benchmarks.robustness.project import Project, descendants, kill_all, training_workers

_DISK_SIZE = "16m"


@dataclass(frozen=True)
class FaultRun:
    """Outcome of one fault run.

    Args:
        fault: Name of the fault.
        number: Number of the run of this fault, from 0.
        moment: Epoch of the protected run after which the fault came.
        commands: How often the command was started.
        starts: How often workers started, over both training runs.
        finished: Whether training finished.
        logged_once: Whether each epoch is logged exactly once.
        difference: Relative norm of the difference from the undisturbed weights.
        left: Processes of the first command that survived; they are killed then.
        seconds: From the first command to the end.
    """

    fault: str
    number: int
    moment: int
    commands: int
    starts: int
    finished: bool
    logged_once: bool
    difference: float
    left: int
    seconds: float


Fault = Callable[[Project, subprocess.Popen[bytes], random.Random], None]


def main(
    times: Annotated[int, typer.Option(min=1, help="Runs of each fault.")] = 5,
    only: Annotated[
        str, typer.Option(help="Names of faults, separated by commas; default: all.")
    ] = "",
    workers: Annotated[
        int, typer.Option(min=1, help="Workers of each of the two training runs.")
    ] = 1,
    epochs: Annotated[int, typer.Option(min=2, help="Epochs of a fault run.")] = 20,
    near: Annotated[
        float, typer.Option(help="Largest relative difference with several workers.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
    out: Annotated[
        Path, typer.Option("--csv", help="CSV file for the outcomes.", callback=writable_file)
    ] = Path("faults.csv"),
) -> None:
    """Inject every fault several times and report which runs recovered."""
    names = only.split(",") if only else list(FAULTS)
    unknown = set(names) - set(FAULTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: one of {', '.join(FAULTS)}")
    log, rng, runs = Console(stderr=True), random.Random(seed), list[FaultRun]()
    with _project("undisturbed", epochs, workers) as project:
        began = time.monotonic()
        if not project.finish(project.start()):
            sys.exit((project.folder / "output.txt").read_text())
        usual, expected = time.monotonic() - began, project.weights()
    log.print(f"undisturbed: {usual:.0f} s", highlight=False)
    for name in names:
        for number in range(times):
            with _project(name, epochs, workers) as project:
                runs.append(_run_fault(name, number, project, rng, expected))
            log.print(runs[-1], highlight=False)
            _write(runs, out)
    limit = 0.0 if workers == 1 else near
    _print(runs, usual, limit)
    if not all(_passed(run, limit) for run in runs):
        sys.exit(1)


def _run_fault(
    name: str, number: int, project: Project, rng: random.Random, expected: torch.Tensor
) -> FaultRun:
    moment = rng.randrange(project.epochs - 1)
    if name == "head":
        project.start_head()
    began = time.monotonic()
    process = project.start()
    _wait_for(project, process, moment)
    time.sleep(rng.uniform(0, 0.5))
    before = descendants(process)
    FAULTS[name](project, process, rng)
    finished = project.finish(process)
    project.kill_head()
    difference = float("nan")
    if finished:
        difference = float((project.weights() - expected).norm() / expected.norm())
    else:
        Console(stderr=True).print(
            (project.folder / "output.txt").read_text()[-3000:], markup=False
        )
    return FaultRun(
        name, number, moment, project.commands, len(project.events("started")), finished,
        finished and project.epochs_logged_once(), difference, kill_all(before),
        round(time.monotonic() - began, 1),
    )  # fmt: skip


def _kill_worker(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    _signal_worker(process, rng, signal.SIGKILL)


def _preempt(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    _signal_worker(process, rng, signal.SIGTERM)


def _signal_worker(
    process: subprocess.Popen[bytes], rng: random.Random, signal_number: int
) -> None:
    workers = training_workers(process)
    if workers:
        with suppress(psutil.NoSuchProcess):
            rng.choice(workers).send_signal(signal_number)


def _kill_driver(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    process.kill()


def _restart_head(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    project.kill_head()
    # As a user does whose cluster is gone.
    process.kill()
    project.start_head()


def _fill_disk(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    filler = project.storage.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**16))
    time.sleep(rng.uniform(2, 8))
    filler.unlink()


def _remove_storage(project: Project, process: subprocess.Popen[bytes], rng: random.Random) -> None:
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
    "full": _fill_disk,
    "gone": _remove_storage,
}


@contextmanager
def _project(fault: str, epochs: int, workers: int) -> Iterator[Project]:
    """A new project; for the fault `full`, storage is on a small disk of its own."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        disk.mkdir()
        if fault == "full":
            _run_as_root("mount", "-t", "tmpfs", "-o", f"size={_DISK_SIZE}", "tmpfs", str(disk))
        try:
            yield Project(Path(folder), epochs, workers, disk / "runs")
        finally:
            if fault == "full":
                _run_as_root("umount", "--lazy", str(disk))


def _run_as_root(*command: str) -> None:
    if subprocess.run(command).returncode:
        sys.exit("The fault `full` mounts a disk: run as root, or select other faults with --only.")


def _wait_for(project: Project, process: subprocess.Popen[bytes], epoch: int) -> None:
    """Wait until the protected run has started and logged this epoch."""
    while process.poll() is None:
        epochs = [line["number"] for line in project.events("epoch", "protected")]
        if project.events("started", "protected") and max(epochs, default=0) >= epoch:
            return
        time.sleep(0.05)


def _passed(run: FaultRun, limit: float) -> bool:
    return run.finished and run.logged_once and run.difference <= limit


def _write(runs: list[FaultRun], out: Path) -> None:
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(runs[0])))
        writer.writeheader()
        writer.writerows(asdict(run) for run in runs)


def _print(runs: list[FaultRun], usual: float, limit: float) -> None:
    table = Table("fault", "runs", "passed", "commands", "difference", "left", "seconds lost")
    for name in FAULTS:
        these = [run for run in runs if run.fault == name]
        if these:
            table.add_row(
                name, str(len(these)), str(sum(_passed(run, limit) for run in these)),
                str(max(run.commands for run in these)),
                f"{max(run.difference for run in these):.1e}",
                str(max(run.left for run in these)),
                f"{median(run.seconds for run in these) - usual:.0f}",
            )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
