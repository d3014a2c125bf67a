"""This machine: can it have hosts in namespaces, and is anything left of them?"""

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
"""Program -> Debian's package."""
_NAMESPACES = ["--mount", "--net", "--pid", "--ipc", "--uts"]


def what_is_missing() -> str:
    """Why no hosts can be made here; empty if they can."""
    if sys.platform != "linux":
        return "its hosts are Linux namespaces, and this is no Linux"
    if os.geteuid() != 0:
        return "its hosts are namespaces, which take root to make: sudo make cluster-test"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = sorted({NEEDED[name] for name in NEEDED if not shutil.which(name, path=path)})
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install {' '.join(absent)})"
    made = subprocess.run(
        ["unshare", *_NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, text=True,
    )  # fmt: skip
    return f"no namespaces for this root: {made.stderr.strip()}" if made.returncode else ""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tiprdc-cluster-") as folder:
        yield Path(folder)


def run_apart(command: Sequence[str], folder: Path) -> tuple[int, int]:
    """Run a command in namespaces of its own; the kernel ends all that is in them when it ends.

    It also ends when this process does, however that comes about.

    Args:
        command: Its words.
        folder: Where its hosts have their disks.

    Returns:
        Its exit code, and how many processes its hosts had at most.
    """
    bound = ["setpriv", "--pdeathsig", "KILL"]
    unshared = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
    # An init that reaps orphans: a host ends only when all that ran in it are reaped.
    init = ["bash", "-c", '"$@"; exit', "init"]
    process = subprocess.Popen(
        [*bound, *unshared, *init, *command], cwd=ROOT, start_new_session=True
    )
    most = 0
    try:
        while process.poll() is None:
            most = max(most, _processes(folder))
            time.sleep(1)
    finally:
        process.kill()
        process.wait()
    return process.returncode, most


def left_of(folder: Path) -> str:
    """What of the hosts can still be seen here; empty if nothing."""
    # The kernel needs a moment to end a hundred processes.
    for _ in range(50):
        if not _processes(folder):
            break
        time.sleep(0.1)
    mounts = str(folder) in Path("/proc/self/mountinfo").read_text()
    found = {
        "processes": _processes(folder),
        "mounts": mounts,
        "files": folder.exists(),
        "interfaces": Path("/sys/class/net/switch").exists(),
    }
    return ", ".join(name for name, there in found.items() if there)


def _processes(folder: Path) -> int:
    """How many processes have their root in this folder."""
    found = 0
    for process in psutil.process_iter():
        try:
            found += str(folder) in str(Path(f"/proc/{process.pid}/root").readlink())
        except OSError:
            continue
    return found
