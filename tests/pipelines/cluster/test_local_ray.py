"""A Ray of this machine: its temporary folder, a start that takes long, and what that leaves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import ray

from pipelines.cluster import local_ray
from pipelines.cluster.local_ray import start, temporary_folder
from tiprdc.errors import ClusterError

LONG = "a-long-name-of-a-folder/" * 5


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folders of this machine nor the Ray of other tests."""
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)


def in_a_file(folder: Path) -> Path:
    (folder / "file").write_text("no folder")
    return folder / "file" / "ray"


UNUSABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "too long": (lambda folder: folder / LONG, "too long for Ray's sockets"),
    "long in bytes": (lambda folder: Path("/tmp", "\u00e4" * 25), "too long for Ray's sockets"),
    "in a file": (in_a_file, "Not a directory"),
    "of the system": (lambda folder: Path("/proc/1/x"), "No such file"),
}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path that is short enough."""
    folder = Path("/tmp", f"tiprdc-{os.getpid()}")
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.mark.parametrize("name", UNUSABLE)
def test_folder_of_ray_that_cannot_be_used_is_refused(
    short: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, words = UNUSABLE[name]
    monkeypatch.setenv("RAY_TMPDIR", str(make(short)))
    with pytest.raises(ClusterError, match=words) as raised:
        temporary_folder()
    assert raised.value.where == "RAY_TMPDIR"
    # What the hint says.
    monkeypatch.delenv("RAY_TMPDIR")
    assert temporary_folder() == Path("/tmp")


@pytest.mark.parametrize("name", UNUSABLE)
def test_general_temporary_folder_is_passed_over(
    short: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It was not set for Ray."""
    monkeypatch.setenv("TMPDIR", str(UNUSABLE[name][0](short)))
    assert temporary_folder() == Path("/tmp")


def test_folder_of_the_longest_path_is_taken(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size, fits in ((39, True), (40, False)):
        folder = short / ("x" * (size - len(str(short)) - 1))
        monkeypatch.setenv("TMPDIR", str(folder))
        assert (temporary_folder() == folder) == fits
    monkeypatch.setenv("TMPDIR", str(short / ("x" * (38 - len(str(short))))))
    assert temporary_folder(dashboard=True) == Path("/tmp")


def test_no_folder_at_all_names_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    monkeypatch.setattr(local_ray, "_fault", lambda folder, longest: "Permission denied")
    with pytest.raises(ClusterError, match="/somewhere: Permission denied; /tmp: Perm") as raised:
        temporary_folder()
    assert raised.value.hint == "set RAY_TMPDIR to one"


def test_relative_folder_is_made_absolute(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short)
    monkeypatch.setenv("RAY_TMPDIR", "here")
    assert temporary_folder() == short / "here"


def try_to_start(seconds: int = 10) -> None:
    start(num_cpus=1, dashboard=False, seconds=seconds, network_interface="")


def test_late_start_is_tried_twice_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    nested = "import subprocess, sys, time; subprocess.Popen(['sleep', '100']); time.sleep(100)"

    def init(**_: Any) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", nested]))
        while not psutil.Process(started[-1].pid).children():
            time.sleep(0.05)
        raise Exception("The current node timed out during startup. This could happen")

    monkeypatch.setattr(ray, "init", init)
    other = subprocess.Popen(["sleep", "100"])
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(ClusterError, match="not start within 10 s, tried 2 times") as raised:
        try_to_start()
    assert "cluster.start_seconds" in raised.value.hint
    assert len(started) == 2
    assert other.poll() is None
    for process in started:
        process.wait()
    assert set(psutil.Process().children(recursive=True)) <= before
    other.kill()
    other.wait()


def test_second_try_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def init(**_: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    try_to_start()
    assert len(tries) == 2


def test_other_error_and_interrupt_are_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (ValueError("a bug"), KeyboardInterrupt()):
        calls: list[BaseException] = []

        def init(error: BaseException = error, calls: Any = calls, **_: Any) -> None:
            calls.append(error)
            raise error

        monkeypatch.setattr(ray, "init", init)
        with pytest.raises(type(error)):
            try_to_start()
        assert len(calls) == 1


def test_patience_is_longer_than_rays_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray asks once after its 30 s; the answer may come later."""
    answers = iter([RuntimeError("not registered"), RuntimeError("not registered"), {"labels": {}}])

    def get_node(*_: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    services = SimpleNamespace(get_node=get_node)
    monkeypatch.setattr(local_ray.importlib, "import_module", lambda name: services)
    with local_ray._patience(10):
        assert services.get_node("address", "id") == {"labels": {}}
    assert services.get_node is get_node


def test_installed_ray_has_the_function_that_is_waited_for() -> None:
    import ray._private.services as services

    assert callable(services.get_node)


def test_process_whose_parent_ended_is_found_by_its_session(short: Path) -> None:
    folder = f"{short}/ray/session_2026-11-29_16-30-20_123456_{os.getpid()}/logs"
    other = folder.replace(str(os.getpid()), "1")
    sleep = [sys.executable, "-c", "import time; time.sleep(100)"]
    mine, theirs = subprocess.Popen([*sleep, folder]), subprocess.Popen([*sleep, other])
    try:
        assert [process.pid for process in local_ray._of_session(short)] == [mine.pid]
    finally:
        for process in (mine, theirs):
            process.kill()
            process.wait()


def test_late_start_ends_no_process_of_a_ray_that_runs(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray ends a process 60 s after the server that it is connected to."""
    folder = f"{short}/ray/session_2026-11-29_16-30-20_123456_{os.getpid()}/logs"
    running = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)", folder])

    def init(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setenv("RAY_TMPDIR", str(short))
    monkeypatch.setattr(ray, "init", init)
    try:
        with pytest.raises(ClusterError, match="not start within"):
            try_to_start()
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


def test_dashboard_uses_a_free_port_if_the_default_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        taken = server.getsockname()[1]
        patch.setattr(local_ray, "_DASHBOARD_PORT", taken)
        assert local_ray._dashboard_port() not in (0, taken)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_ray, "_DASHBOARD_PORT", taken)
        assert local_ray._dashboard_port() == taken
