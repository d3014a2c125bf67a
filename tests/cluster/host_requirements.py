"""Checks that this machine can run hosts in namespaces, and what is left of them afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
NEEDED = {
    "ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux",
    "pgrep": "procps", "sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync",
    "git": "git", "make": "make", "useradd": "passwd",
}  # fmt: skip
"""Program -> Debian package."""
_NAMESPACES = ["--mount", "--net", "--pid", "--ipc", "--uts"]


def missing_requirements() -> str:
    """Why this machine cannot run hosts; empty if it can."""
    if sys.platform != "linux":
        return "hosts are Linux namespaces, and this is not Linux"
    if os.geteuid() != 0:
        return "creating namespaces needs root: sudo make cluster-test"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = sorted({NEEDED[name] for name in NEEDED if not shutil.which(name, path=path)})
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install {' '.join(absent)})"
    unshared = subprocess.run(
        ["unshare", *_NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, text=True,
    )  # fmt: skip
    return f"no namespaces for this root: {unshared.stderr.strip()}" if unshared.returncode else ""


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="tiprdc-cluster-") as folder:
        yield Path(folder)


def run_in_namespaces(command: Sequence[str], folder: Path) -> tuple[int, int]:
    """Run a command in new namespaces; when it ends, the kernel ends every process in them.

    It also ends when this process ends, for any reason.

    Args:
        command: Its arguments.
        folder: Disks of its hosts.

    Returns:
        Exit code, and the largest number of processes on its hosts.
    """
    with_parent = ["setpriv", "--pdeathsig", "KILL"]
    unshared = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
    # An init that reaps orphans: a host ends only when all its processes are reaped.
    init = ["bash", "-c", '"$@"; exit', "init"]
    process = subprocess.Popen(
        [*with_parent, *unshared, *init, *command], cwd=ROOT, start_new_session=True
    )
    peak = 0
    try:
        while process.poll() is None:
            peak = max(peak, _processes(folder))
            time.sleep(1)
    finally:
        process.kill()
        process.wait()
    return process.returncode, peak


def leftovers(folder: Path) -> str:
    """What is left of the hosts on this machine; empty if nothing."""
    # The kernel needs a moment to end a hundred processes.
    for _ in range(50):
        if not _processes(folder):
            break
        time.sleep(0.1)
    mounts = str(folder) in Path("/proc/self/mountinfo").read_text()
    remains = {
        "processes": _processes(folder),
        "mounts": mounts,
        "files": folder.exists(),
        "interfaces": Path("/sys/class/net/switch").exists(),
    }
    return ", ".join(name for name, present in remains.items() if present)


def _processes(folder: Path) -> int:
    """Number of processes whose root is in this folder."""
    count = 0
    for process in psutil.process_iter():
        try:
            count += str(folder) in str(Path(f"/proc/{process.pid}/root").readlink())
        except OSError:
            continue
    return count
