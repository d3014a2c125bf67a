"""A stage ends within seconds of Ctrl-C, and with the `dvc` that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipelines.observability.stage_process import dvc_process, supervised

ROOT = Path(__file__).parents[3]
STAGE = """
import subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pipelines.observability.progress import run

def main():
    child = subprocess.Popen(["sleep", "300"])
    print(child.pid, flush=True)
    {wait}

run(main)
"""
WAITS = {
    "main thread": "time.sleep(300)",
    "thread that nothing ends": "ThreadPoolExecutor().submit(time.sleep, 300).result()",
    "pool that waits": "with ThreadPoolExecutor() as p: p.submit(time.sleep, 300); time.sleep(300)",
    "error that is caught": "\n    ".join(
        ["while True:", "    try: time.sleep(300)", "    except BaseException: pass"]
    ),
}
PARENT = """
import os, subprocess, sys
os.environ.update({variables})
subprocess.Popen({shell} + [sys.executable, "-c", {stage!r}]).wait()
"""


@pytest.fixture(autouse=True)
def _no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()
        process.communicate()


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def first_child(process: subprocess.Popen[str]) -> psutil.Process:
    assert process.stdout
    return psutil.Process(int(process.stdout.readline()))


def ends(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        psutil.wait_procs([process], timeout=60)
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("name", WAITS)
def test_stage_ends_after_one_interrupt_without_a_traceback(
    started: list[subprocess.Popen[str]], name: str
) -> None:
    stage = start(STAGE.format(wait=WAITS[name]))
    started.append(stage)
    child = first_child(stage)
    stage.send_signal(signal.SIGINT)
    _, err = stage.communicate(timeout=60)
    assert stage.returncode == 130
    assert "Interrupted. Run the same command again" in err
    assert "Traceback" not in err
    assert ends(child)


@pytest.mark.parametrize("shell", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["direct", "sh"])
@pytest.mark.parametrize("name", ["main thread", "error that is caught"])
def test_stage_ends_with_its_dvc(
    started: list[subprocess.Popen[str]], shell: list[str], name: str
) -> None:
    stage = STAGE.format(wait=WAITS[name])
    dvc = start(PARENT.format(variables={"DVC_STAGE": "train"}, shell=shell, stage=stage))
    started.append(dvc)
    child = first_child(dvc)
    stage_process = child.parent()
    assert stage_process
    os.kill(dvc.pid, signal.SIGKILL)
    assert ends(stage_process)
    assert ends(child)


def test_stage_outlives_a_parent_that_is_no_dvc(started: list[subprocess.Popen[str]]) -> None:
    """A shell with nohup, ssh, a job of cron."""
    stage = STAGE.format(wait="time.sleep(4); print('whole', flush=True); child.kill()")
    parent = start(PARENT.format(variables={}, shell=[], stage=stage))
    started.append(parent)
    child = first_child(parent)
    os.kill(parent.pid, signal.SIGKILL)
    assert parent.stdout
    assert parent.stdout.readline() == "whole\n"
    assert ends(child)


def test_block_that_ends_leaves_no_thread_and_no_handler() -> None:
    threads = threading.active_count()
    for _ in range(3):
        with supervised():
            time.sleep(0.01)
        with pytest.raises(ValueError, match="a bug"), supervised():
            raise ValueError("a bug")
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_block_in_a_thread_runs_unsupervised() -> None:
    ran: list[int] = []

    def work() -> None:
        with supervised():
            ran.append(signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran


def test_dvc_is_looked_for_only_in_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dvc_process() is None
    monkeypatch.setenv("DVC_STAGE", "train")
    assert dvc_process()
