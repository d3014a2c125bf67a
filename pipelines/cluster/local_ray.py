"""Start a Ray of this machine: its temporary folder, the time that it may take, one retry."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import ray

from pipelines.cluster.environment import environment
from pipelines.cluster.errors import RUN_AGAIN
from tiprdc.errors import ClusterError

_ROOT = Path(__file__).parents[2]
_DASHBOARD_PORT, _UNUSED_PORT = 8265, 0
_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
"""Longest path of a socket."""
_SESSION = "/ray/session_2026-11-29_16-30-20_123456_4194304/sockets/"
"""What Ray puts between its temporary folder and a socket's name; ends with our process id."""
_LONGEST_SOCKET = {True: "dash_TaskEventsHead", False: "plasma_store"}
_TRIES = 2


def start(*, num_cpus: int, dashboard: bool, seconds: int, network_interface: str) -> None:
    """Start Ray and connect to it.

    Args:
        num_cpus: CPU cores that it may use.
        dashboard: Whether it serves its dashboard on 127.0.0.1.
        seconds: How long its start may take; it is tried twice.
        network_interface: Over which workers exchange gradients; empty: the loopback.

    Raises:
        ClusterError: No temporary folder can be used, or it did not start in time.
    """
    folder = temporary_folder(dashboard=dashboard)
    port = _dashboard_port() if dashboard else _UNUSED_PORT
    variables = {
        "RAY_TMPDIR": str(folder),
        "RAY_gcs_server_port_wait_time_s": str(seconds),
        # Ray Train's cleaner checks whether a run is alive, and clears up if not. Without this
        # address it queries the cluster that was last started on this machine, which knows no such
        # run, or waits for 12 s at the end of each run for a cluster that is gone.
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}",
        # Workers find our packages wherever the driver was started.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
        # Workers of one machine connect over the loopback, whatever its other networks are.
        "GLOO_SOCKET_IFNAME": network_interface or _loopback(),
    }
    with environment({name: value for name, value in variables.items() if value}):
        for _ in range(_TRIES):
            with suppress(_LateError), _ends_what_it_leaves(folder), _patience(seconds):
                _init(num_cpus=num_cpus, dashboard=dashboard, port=port)
                return
    raise ClusterError(
        "Ray", f"it did not start within {seconds} s, tried {_TRIES} times",
        hint=f"raise cluster.start_seconds, or stop other work on this machine, and {RUN_AGAIN}",
    )  # fmt: skip


def temporary_folder(*, dashboard: bool = False) -> Path:
    """The folder for Ray's sockets, logs and objects: RAY_TMPDIR, or TMPDIR or /tmp if they do.

    Args:
        dashboard: Whether the dashboard runs, whose sockets have longer names.

    Raises:
        ClusterError: RAY_TMPDIR is set and cannot be used, or neither of the others can.
    """
    longest = _SOCKET_BYTES - len(_SESSION) - len(_LONGEST_SOCKET[dashboard])
    expected = f"a folder that you can write to, with a path of at most {longest} bytes"
    if chosen := os.environ.get("RAY_TMPDIR"):
        if fault := _fault(Path(chosen), longest):
            raise ClusterError(
                "RAY_TMPDIR", f"{chosen}: {fault}", expected, "unset RAY_TMPDIR, or set it to one"
            )
        return Path(chosen).absolute()
    faults = []
    for folder in map(Path, filter(None, (os.environ.get("TMPDIR"), "/tmp"))):  # noqa: S108
        fault = _fault(folder, longest)
        if not fault:
            return folder.absolute()
        faults.append(f"{folder}: {fault}")
    raise ClusterError("Ray", "; ".join(faults), expected, "set RAY_TMPDIR to one")


def _fault(folder: Path, longest: int) -> str:
    """Why Ray cannot use the folder; empty if it can."""
    size = len(os.fsencode(folder.absolute()))
    if size > longest:
        return f"its path has {size} bytes, which is too long for Ray's sockets"
    try:
        (folder / "ray").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "ray"):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


class _LateError(Exception):
    """Ray did not start in time."""


def _init(*, num_cpus: int, dashboard: bool, port: int) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=dashboard,
            dashboard_port=port or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        # Ray has no class for this error.
        if "timed out" not in str(error).lower():
            raise
        raise _LateError from error


@contextmanager
def _patience(seconds: int) -> Iterator[None]:
    """Let Ray wait this long for its node; its own 30 s have no setting."""
    services = importlib.import_module("ray._private.services")
    original = getattr(services, "get_node", None)
    if original is None:
        yield
        return
    deadline = time.monotonic() + seconds

    def get_node(*arguments: Any, **options: Any) -> Any:
        while True:
            try:
                return original(*arguments, **options)
            # What it raises until the node has registered.
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    services.get_node = get_node  # type: ignore[attr-defined]  # of a module that is loaded by name
    try:
        yield
    finally:
        services.get_node = original  # type: ignore[attr-defined]


@contextmanager
def _ends_what_it_leaves(folder: Path) -> Iterator[None]:
    """If the block fails, end the processes of the Ray that it began to start."""
    before = {process.pid for process in _of_this_process(folder)}
    try:
        yield
    except BaseException:
        left = [process for process in _of_this_process(folder) if process.pid not in before]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        ray.shutdown()
        with warnings.catch_warnings():
            # Ray leaves the objects of these processes to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        raise


def _of_this_process(folder: Path) -> list[psutil.Process]:
    return [*psutil.Process().children(recursive=True), *_of_session(folder)]


def _of_session(folder: Path) -> Iterator[psutil.Process]:
    """Processes of a Ray of this process whose parent has ended: its folder is in their words."""
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        mine = f"{folder}/ray/session_" in words and f"_{os.getpid()}/" in words
        if mine and process.pid != os.getpid():
            yield process


def _dashboard_port() -> int:
    """Ray's default port, or a free one if that is taken."""
    try:
        server = socket.create_server(("127.0.0.1", _DASHBOARD_PORT))
    except OSError:
        server = socket.create_server(("127.0.0.1", 0))
    with server:
        port: int = server.getsockname()[1]
    return port


def _loopback() -> str:
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in ("lo", "lo0") if name in names), "")
