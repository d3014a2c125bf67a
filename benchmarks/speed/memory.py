"""The most memory that a process and its children have while they run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MIB = 2**20


@contextmanager
def watched(pid: int) -> Iterator[dict[str, float]]:
    """Peaks in MiB, of the largest process and of all together, filled in until the block's end.

    Unique memory: what processes share with each other is not counted again and again.
    """
    peak = {"largest_process_mib": 0.0, "all_processes_mib": 0.0}
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(pid, peak, ended))
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _watch(pid: int, peak: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        sizes = [0.0]
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            try:
                sizes.append(process.memory_full_info().uss / MIB)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        peak["largest_process_mib"] = max(peak["largest_process_mib"], *sizes)
        peak["all_processes_mib"] = max(peak["all_processes_mib"], sum(sizes))
