"""A cluster of a head, two workers and a laptop on this machine, used as docs/cluster.md says.

    python -m tests.cluster [--workers 1]          (or `make cluster-test`)

Needs Linux and root: the hosts are namespaces. What happens is in story.py, in the order of the
document. Prints each step; what commands said is in logs/cluster, with summary.json and, if a step
fails, Ray's own logs.

Exit code: 0 all went well, 1 something failed, 77 it cannot be run here, 130 it was interrupted.
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
from tests.cluster.scenario import Story
from tests.cluster.step_log import Telling

LOGS = host_requirements.ROOT / "logs" / "cluster"
FAILED, IMPOSSIBLE, INTERRUPTED = 1, 77, 130
console = Console()


def main(
    workers: Annotated[int, typer.Option(min=1, max=2, help="Hosts beside the head.")] = 2,
    inside: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Start a cluster in namespaces of this machine, use it, hurt it, stop it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        sys.exit(_story(Path(inside), workers) if inside else _around(workers))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _around(workers: int) -> int:
    """The story in namespaces of its own, then a look at what is left of it."""
    missing = host_requirements.what_is_missing()
    if missing:
        console.print(f"The cluster test cannot be run: {missing}", highlight=False)
        return IMPOSSIBLE
    again = [sys.executable, "-m", "tests.cluster", "--workers", str(workers)]
    with host_requirements.scratch() as folder:
        try:
            code, most = host_requirements.run_apart([*again, "--inside", str(folder)], folder)
        except KeyboardInterrupt:
            console.print("Interrupted: the hosts go down", highlight=False)
            code, most = INTERRUPTED, 0
    left = host_requirements.left_of(folder)
    console.print(f"Processes on the hosts: {most} at most. Left over: {left or 'nothing'}. {LOGS}")
    return (code or FAILED) if left else code


def _story(folder: Path, workers: int) -> int:
    """In namespaces that end with this process."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    telling = Telling(LOGS, console)
    story = Story(telling, folder, workers)
    failed: dict[str, Any] = {}
    try:
        story.play()
    except StepError as error:
        failed = {"error": str(error)}
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
        story.keep_logs()
    finally:
        story.end()
        telling.summarise(**failed)
    return FAILED if failed else 0


def _interrupt(number: int, frame: object) -> None:
    # A shell starts what runs in the background with Ctrl-C ignored, and Python would keep that.
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
