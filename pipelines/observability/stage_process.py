"""End a stage within seconds of Ctrl-C, and when the `dvc repro` that started it is gone.

Python alone would wait for its threads, such as one that waits for hours of training. A stage that
outlives its `dvc repro` would go on beside the stage of the next one.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tiprdc.errors import INTERRUPTED

_GRACE_SECONDS = 5.0
_SECONDS_BETWEEN_LOOKS = 1.0
_DONE = 0
"""No signal's number."""
_SHELLS = ("bash", "dash", "fish", "ksh", "sh", "zsh")


@contextmanager
def supervised() -> Iterator[None]:
    """End this process and its children if the block goes on for 5 s after Ctrl-C or DVC's end.

    In a thread that is not the main one it does nothing: signals reach the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python tells this pipe of a signal at once, even while the main thread waits in other code.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader, dvc_process()), daemon=True)
    watcher.start()
    last = _DONE
    try:
        yield
    except KeyboardInterrupt:
        # The watcher stays: the end of Python joins threads.
        last = signal.SIGINT
        raise
    finally:
        signal.set_wakeup_fd(before)
        os.write(writer, bytes([last]))
        if last == _DONE:
            watcher.join()
            os.close(writer)
            os.close(reader)


def dvc_process() -> psutil.Process | None:
    """The DVC that started this process; None if none did."""
    if "DVC_STAGE" not in os.environ:
        return None
    with suppress(psutil.Error):
        return next((p for p in psutil.Process().parents() if p.name() not in _SHELLS), None)
    return None


def _watch(reader: int, dvc: psutil.Process | None) -> None:
    while True:
        byte = _read(reader, _SECONDS_BETWEEN_LOOKS)
        if byte == _DONE:
            return
        if byte == signal.SIGINT:
            _say("Interrupted. Run the same command again: it resumes where it can.")
            break
        if dvc is not None and not _is_alive(dvc):
            _say("The `dvc` that started this stage has ended, and so does the stage.")
            _thread.interrupt_main()
            break
    # The block's own KeyboardInterrupt is the first of these bytes.
    deadline = time.monotonic() + _GRACE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if _read(reader, left) == _DONE:
            return
    end_now()


def _read(reader: int, seconds: float) -> int | None:
    """The last of what was written: a signal's number or _DONE; None if nothing is."""
    ready, _, _ = select.select([reader], [], [], seconds)
    return os.read(reader, 4096)[-1] if ready else None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _say(sentence: str) -> None:
    sys.stderr.write(f"\n{sentence}\n")
    sys.stderr.flush()


def end_now() -> None:
    """End every process that this one started, and this one, without waiting for threads."""
    children = psutil.Process().children(recursive=True)
    for process in children:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(children, timeout=1)
    sys.stdout.flush()
    os._exit(INTERRUPTED)
