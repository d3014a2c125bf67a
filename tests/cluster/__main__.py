"""A cluster of three hosts and a laptop on this machine, used as docs/cluster.md says.

    python -m tests.cluster          (or `make cluster-test`)

Needs Linux and root: the hosts are namespaces. What happens is in `story.py`, in the order of the
document. Prints each step; what commands said is in logs/cluster, with summary.json.

Exit code: 0 all went well, 1 something failed, 77 it cannot be run here, 130 it was interrupted.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from tests.cluster.hosts import StepError
from tests.cluster.telling import Telling

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "logs" / "cluster"
FAILED, IMPOSSIBLE, INTERRUPTED = 1, 77, 130
NEEDED = {
    "ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux",
    "pgrep": "procps", "sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync",
    "git": "git", "make": "make", "useradd": "passwd",
}  # fmt: skip
console = Console()


def what_is_missing() -> str:
    """Why no cluster can be made here; empty if one can."""
    if sys.platform != "linux":
        return "hosts are Linux namespaces, and this is no Linux"
    if os.geteuid() != 0:
        return "hosts are namespaces, which take root to make: sudo make cluster-test"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = sorted({NEEDED[name] for name in NEEDED if not shutil.which(name, path=path)})
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install {' '.join(absent)})"
    made = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], stderr=-1)
    return "" if made.returncode == 0 else f"no namespaces here: {made.stderr.decode().strip()}"


def main() -> int:
    """Make namespaces around everything, play the story in them, look what is left."""
    missing = what_is_missing()
    if missing:
        console.print(f"The cluster test cannot be run: {missing}", highlight=False)
        return IMPOSSIBLE
    with tempfile.TemporaryDirectory(prefix="tiprdc-cluster-") as folder:
        code, most = _play_in_namespaces(Path(folder))
        left = _processes(folder)
    mounts = folder in Path("/proc/self/mountinfo").read_text()
    console.print(f"Processes on the hosts: {most} at most, {left} left; logs in {LOGS}")
    return FAILED if left or mounts or Path(folder).exists() else code


def _play_in_namespaces(folder: Path) -> tuple[int, int]:
    """Exit code of the story, and how many processes its hosts had at most.

    The kernel ends what is in the namespaces when the first process in them ends, and that ends
    when this one does, however that comes about.
    """
    bound = ["setpriv", "--pdeathsig", "KILL"]
    unshared = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"]
    command = [*bound, *unshared, "--kill-child", "--mount-proc"]
    story = [sys.executable, "-m", "tests.cluster", "--inside", str(folder)]
    process = subprocess.Popen([*command, *story], cwd=ROOT, start_new_session=True)
    most = 0
    try:
        while process.poll() is None:
            most = max(most, _processes(str(folder)))
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("Interrupted: the hosts go down", highlight=False)
        process.kill()
        process.wait()
        return INTERRUPTED, most
    return process.returncode, most


def _processes(folder: str) -> int:
    """How many processes have their root in this folder."""
    found = 0
    for process in psutil.process_iter():
        try:
            found += folder in os.readlink(f"/proc/{process.pid}/root")
        except OSError:
            continue
    return found


def inside(folder: Path) -> int:
    """The story, in namespaces that end with this process."""
    from tests.cluster.story import Story

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    telling = Telling(LOGS, console)
    story = Story(telling, folder)
    failed: dict[str, Any] = {}
    try:
        story.play()
    except StepError as error:
        failed = {"error": str(error)}
        console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
    finally:
        if failed:
            story.keep_logs()
        story.end()
        telling.summarise(**failed)
    return FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(inside(Path(sys.argv[2])) if "--inside" in sys.argv[1:2] else main())
