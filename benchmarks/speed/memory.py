"""Peak memory of a process and its children."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MIB = 2**20


@contextmanager
def peak_memory(pid: int) -> Iterator[dict[str, float]]:
    """Peaks in MiB, of the largest process and of all together, updated until the end of the block.

    Only unique memory counts: memory that processes share is left out.
    """
    peak = {"largest_process_mib": 0.0, "all_processes_mib": 0.0}
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(pid, peak, ended))
    sampler.start()
    try:
        yield peak
    finally:
        ended.set()
        sampler.join()


def _sample(pid: int, peak: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        sizes = [0.0]
        try:
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                sizes.append(process.memory_full_info().uss / MIB)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        peak["largest_process_mib"] = max(peak["largest_process_mib"], *sizes)
        peak["all_processes_mib"] = max(peak["all_processes_mib"], sum(sizes))
