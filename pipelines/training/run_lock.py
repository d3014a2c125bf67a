"""Of two processes, one trains a run: two would write over each other's checkpoints."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipelines.training.storage import Storage
from tiprdc.errors import ClusterError


@contextmanager
def hold(storage: Storage, *runs: str) -> Iterator[None]:
    """Hold runs for the block. The system lets go of it when this process ends, however it ends.

    Storage that is no folder has no locks: there, processes of one machine exclude each other.

    Args:
        storage: Of the runs.
        runs: Their names.

    Raises:
        ClusterError: Another process holds one.
    """
    with ExitStack() as stack:
        for run in runs:
            path = _path(storage, run)
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(os.close, _open(path, storage.of(run)))
            stack.callback(path.unlink, missing_ok=True)
        yield


def _open(path: Path, where: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 200).decode("utf-8", "replace")
            os.close(descriptor)
            raise _held(where, holder) from None
        # Its last holder may have removed the file between these two lines.
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)


def _held(where: str, holder: str) -> ClusterError:
    number = holder.partition(" ")[0]
    return ClusterError(
        where, f"process {holder} is training it",
        hint=f"wait until it has ended, or end it: kill {number}",
    )  # fmt: skip


def _path(storage: Storage, run: str) -> Path:
    if "://" not in storage.root:
        return Path(storage.root, f".{run}.lock")
    digest = hashlib.sha256(storage.of(run).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"tiprdc-{digest}.lock")
