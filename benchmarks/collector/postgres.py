"""A PostgreSQL server of its own in a temporary folder, reached through a socket in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_USER = "postgres"
_PORT = 5432


def program(name: str) -> str | None:
    """Path of a program of PostgreSQL; Debian does not put all of them on the PATH."""
    folders = [os.environ.get("PATH", ""), *map(str, sorted(_DEBIAN.glob("*/bin")))]
    return shutil.which(name, path=os.pathsep.join(folders))


def is_installed() -> bool:
    """Whether a server can be started."""
    return all(program(name) for name in ("initdb", "pg_ctl", "postgres"))


class Postgres:
    """A server with the settings that PostgreSQL comes with, without TCP.

    Args:
        folder: Empty; its owner runs the server, since root may not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"postgresql://{_USER}@/postgres?host={folder}"
        self._run("initdb", "--auth=trust", f"--username={_USER}", "-D", str(folder / "data"))
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c port={_PORT}"
        self._control("start", "-l", str(self._folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; "immediate" is a crash, without a last checkpoint."""
        self._control("stop", "-m", mode)

    def _control(self, verb: str, *options: str) -> None:
        self._run("pg_ctl", verb, "-w", "-D", str(self._folder / "data"), *options)

    def _run(self, name: str, *words: str) -> None:
        path = program(name)
        assert path, f"no {name}: apt-get install postgresql"
        user = _USER if os.geteuid() == 0 else None
        subprocess.run(
            [path, *words], check=True, user=user, cwd=self._folder, timeout=120,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server until the block ends."""
    # Not in pytest's folder, which its owner alone may enter; and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="tiprdc-pg-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, _USER)
        server = Postgres(Path(name))
        try:
            yield server
        finally:
            server.stop("immediate")
