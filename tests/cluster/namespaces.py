"""Hosts on one machine: namespaces, a network switch between them, a disk each.

A host is a process and its children in unnamed namespaces (PID, mount, network, IPC, UTS). Killing
its first process ends it at once, like a power failure, and leaves no process, mount or interface.
Its disk (an overlay over this machine's) stays, so it can boot again.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

BOOT = Path(__file__).with_name("boot.sh")
SWITCH = "10.77.0.254"
"""Address of this machine on the switch, and gateway of the hosts; it forwards nothing."""
USER = "ray"
PROJECT = f"/home/{USER}/tiprdc"


class StepError(Exception):
    """A command failed, or its effect did not appear in time.

    Args:
        reason: Message for a person.
        output: Output of the command.
    """

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


class Host:
    """One host.

    Args:
        name: Host name.
        address: IPv4 address.
        folder: For its disk, on another file system than the root (an overlay's upper layer may not
            lie within its lower one).
        shared: Folder that all hosts mount as /mnt/shared, like a network disk.
        program: Its first program; the host goes down when that ends.
    """

    def __init__(
        self, name: str, address: str, folder: Path, shared: Path, program: Sequence[str]
    ) -> None:
        self.name, self.address, self.program = name, address, program
        self.disk, self.shared = folder / name, shared
        self._process: subprocess.Popen[bytes] | None = None
        for part in ("root", "upper", "work"):
            (self.disk / part).mkdir(parents=True)

    def boot(self, log: IO[bytes]) -> None:
        """Start the host and connect it to the switch."""
        kinds = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        self._process = subprocess.Popen(
            ["unshare", *kinds, "--fork", "--kill-child", "bash", str(BOOT), self.name,
             str(self.disk), str(self.shared), *self.program],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._plug_in()
        wait_for(self._is_booted, f"{self.name} to boot", 30)

    def kill(self) -> None:
        """Kill all its processes at once, like a power failure."""
        assert self._process is not None
        os.kill(self._init_pid(), signal.SIGKILL)
        self._process.wait()
        self._process = None

    def shut_down(self) -> None:
        """Kill it, if it is up."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def count_processes(self, name: str) -> int:
        """Number of processes whose command line contains this text."""
        counted = self.command(["pgrep", "--count", "--full", name], user="root")
        ended = subprocess.run(counted, capture_output=True, text=True)
        # pgrep does not count itself.
        return int(ended.stdout or 0)

    def outside_path(self, path: str) -> Path:
        """Path on this machine of a path on the host; a missing path if the host is down."""
        if self._process is None or self._process.poll() is not None:
            return self.disk / "nothing"
        return Path(f"/proc/{self._init_pid()}/root") / path.lstrip("/")

    def command(self, command: Sequence[str], user: str = USER) -> list[str]:
        """Arguments that run a command on this host, as from its console."""
        enter = ["nsenter", "--target", str(self._init_pid()), "--mount", "--uts", "--ipc", "--net"]
        enter += ["--pid", "--root", "--wd"]
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"]
        return [*enter, *(become if user != "root" else []), *command]

    def shell_command(self, line: str, folder: str = PROJECT) -> list[str]:
        """The same for a shell line in a project's folder, with the environment activated."""
        activate = f"cd {shlex.quote(folder)} && . {PROJECT}/.venv/bin/activate"
        return self.command(["bash", "-lc", f"{activate} && export OMP_NUM_THREADS=1 && {line}"])

    def _is_booted(self) -> bool:
        command = self.command(["test", "-e", "/run/booted"], user="root")
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

    def _plug_in(self) -> None:
        port, first = self.name.split(".")[0][:15], self._init_pid()
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(first))
        ip("link", "set", port, "master", "switch", "up")
        # The same MAC address after every boot: neighbours cache it.
        card = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        inside = ["nsenter", "--target", str(first), "--net"]
        ip("link", "set", "lo", "up", inside=inside)
        ip("address", "add", f"{self.address}/24", "dev", "eth0", inside=inside)
        ip("link", "set", "eth0", "address", card, "up", inside=inside)
        ip("route", "add", "default", "via", SWITCH, inside=inside)

    def _init_pid(self) -> int:
        """PID on this machine of the host's first process."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for _ in range(200):
            pids = children.read_text().split()
            if pids:
                return int(pids[0])
            time.sleep(0.05)
        raise StepError(f"{self.name} has no first process")


def make_switch() -> None:
    """Make the switch and connect this machine; hosts connect when they boot."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("address", "add", f"{SWITCH}/24", "dev", "switch")
    ip("link", "set", "switch", "up")


def ip(*words: str, inside: Sequence[str] = ()) -> None:
    """Run iproute2, optionally in a host's network."""
    ended = subprocess.run([*inside, "ip", *words], capture_output=True, text=True)
    if ended.returncode:
        raise StepError(f"ip {' '.join(words)}: {ended.stderr.strip()}")


def wait_for(happened: Callable[[], bool], what: str, seconds: float) -> None:
    """Call a function twice a second until it returns true."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise StepError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.5)
