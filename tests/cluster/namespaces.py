"""Machines of their own on one machine: namespaces, a switch between them, a disk each.

A host is a process and what it starts, in namespaces (PID, mount, network, IPC, UTS) without name.
So it dies at once when its first process is killed, as a machine whose power fails, and leaves no
process, no mount and no interface behind. Its disk (an overlay over this machine's) stays, and it
can be booted again.
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
"""Address of this side of the switch, and the hosts' gateway: it forwards nothing."""
USER = "ray"
PROJECT = f"/home/{USER}/tiprdc"


class StepError(Exception):
    """A command failed, or what it should have brought about did not come.

    Args:
        reason: For a person.
        said: All that the command said.
    """

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.said = said


class Host:
    """One machine.

    Args:
        name: Its name in the network.
        address: IPv4.
        folder: For its disk, on a file system other than the root's (an overlay's upper layer may
            not lie within its lower one).
        shared: Folder that all hosts see as /mnt/shared, as they would a network disk.
        program: What it runs; the host goes down when that ends.
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
        """Start it and plug it into the switch."""
        kinds = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        self._process = subprocess.Popen(
            ["unshare", *kinds, "--fork", "--kill-child", "bash", str(BOOT), self.name,
             str(self.disk), str(self.shared), *self.program],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        self._plug_in()
        wait_for(self._is_up, f"{self.name} to boot", 30)

    def kill(self) -> None:
        """As if its power failed: all its processes at once, none is asked."""
        assert self._process is not None
        os.kill(self._first(), signal.SIGKILL)
        self._process.wait()
        self._process = None

    def shut_down(self) -> None:
        """Kill it, if it is up."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def processes(self, name: str) -> int:
        """How many processes have this within their command line."""
        counted = self.command(["pgrep", "--count", "--full", name], user="root")
        found = subprocess.run(counted, capture_output=True, text=True)
        # pgrep leaves itself out.
        return int(found.stdout or 0)

    def see(self, path: str) -> Path:
        """A path on this host as this side sees it; on a host that is down there is none."""
        if self._process is None or self._process.poll() is not None:
            return self.disk / "nothing"
        return Path(f"/proc/{self._first()}/root") / path.lstrip("/")

    def command(self, command: Sequence[str], user: str = USER) -> list[str]:
        """The words that run a command on this host, as somebody at its console would."""
        enter = ["nsenter", "--target", str(self._first()), "--mount", "--uts", "--ipc", "--net"]
        enter += ["--pid", "--root", "--wd"]
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"]
        return [*enter, *(become if user != "root" else []), *command]

    def typed(self, line: str, folder: str = PROJECT) -> list[str]:
        """The same for a line that a person types in a project's folder."""
        activate = f"cd {shlex.quote(folder)} && . {PROJECT}/.venv/bin/activate"
        return self.command(["bash", "-lc", f"{activate} && export OMP_NUM_THREADS=1 && {line}"])

    def _is_up(self) -> bool:
        asked = self.command(["test", "-e", "/run/booted"], user="root")
        return subprocess.run(asked, stderr=subprocess.DEVNULL).returncode == 0

    def _plug_in(self) -> None:
        port, first = self.name.split(".")[0][:15], self._first()
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(first))
        ip("link", "set", port, "master", "switch", "up")
        # As a network card, the same after every boot: neighbours remember it.
        card = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        inside = ["nsenter", "--target", str(first), "--net"]
        ip("link", "set", "lo", "up", inside=inside)
        ip("address", "add", f"{self.address}/24", "dev", "eth0", inside=inside)
        ip("link", "set", "eth0", "address", card, "up", inside=inside)
        ip("route", "add", "default", "via", SWITCH, inside=inside)

    def _first(self) -> int:
        """The host's first process, as this side counts."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for _ in range(200):
            found = children.read_text().split()
            if found:
                return int(found[0])
            time.sleep(0.05)
        raise StepError(f"{self.name} has no first process")


def make_switch() -> None:
    """Connect this side; hosts plug in when they boot."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("address", "add", f"{SWITCH}/24", "dev", "switch")
    ip("link", "set", "switch", "up")


def ip(*words: str, inside: Sequence[str] = ()) -> None:
    """iproute2, perhaps within a host's network."""
    done = subprocess.run([*inside, "ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise StepError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def wait_for(happened: Callable[[], bool], what: str, seconds: float) -> None:
    """Ask twice a second until a function says yes."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise StepError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.5)
