"""Runs docs/cluster.md on a head, two workers and a laptop, as hosts in namespaces of this machine.

    python -m tests.cluster [--workers 1]          (or `make cluster-test`)

Needs Linux and root. scenario.py has the steps, in the order of the document. Prints each step;
logs/cluster gets the output of the commands, summary.json and, if a step fails, Ray's logs.

Exit code: 0 every step passed, 1 a step failed, 77 requirements are missing, 130 interrupted.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.cluster import host_requirements
from tests.cluster.namespaces import StepError
from tests.cluster.scenario import ClusterScenario
from tests.cluster.step_log import StepLog

LOGS = host_requirements.ROOT / "logs" / "cluster"
FAILED, UNSUPPORTED, INTERRUPTED = 1, 77, 130
console = Console()


def main(
    workers: Annotated[int, typer.Option(min=1, max=2, help="Hosts beside the head.")] = 2,
    inside: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Start a cluster in namespaces of this machine, use it, kill a host, stop it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        sys.exit(_run_inside(Path(inside), workers) if inside else _run_isolated(workers))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run_isolated(workers: int) -> int:
    """Run the scenario in new namespaces, then check that nothing is left of it."""
    missing = host_requirements.missing_requirements()
    if missing:
        console.print(f"The cluster test cannot run: {missing}", highlight=False)
        return UNSUPPORTED
    command = [sys.executable, "-m", "tests.cluster", "--workers", str(workers)]
    with host_requirements.scratch() as folder:
        try:
            inside = [*command, "--inside", str(folder)]
            code, peak = host_requirements.run_in_namespaces(inside, folder)
        except KeyboardInterrupt:
            console.print("Interrupted: the hosts go down", highlight=False)
            code, peak = INTERRUPTED, 0
    left = host_requirements.leftovers(folder)
    console.print(f"Processes on the hosts: {peak} at most. Left over: {left or 'nothing'}. {LOGS}")
    return (code or FAILED) if left else code


def _run_inside(folder: Path, workers: int) -> int:
    """Run the scenario; the namespaces end with this process."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    step_log = StepLog(LOGS, console)
    scenario = ClusterScenario(step_log, folder, workers)
    failed: dict[str, Any] = {}
    try:
        scenario.run()
    except StepError as error:
        failed = {"error": str(error)}
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
        scenario.copy_ray_logs()
    finally:
        scenario.shut_down()
        step_log.write_summary(**failed)
    return FAILED if failed else 0


def _interrupt(number: int, frame: object) -> None:
    # A shell ignores SIGINT for background commands, and Python would inherit that.
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
