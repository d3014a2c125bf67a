"""What Ray Tune keeps of a search: whether a search that was killed can resume from it.

A kill, a full disk or a share that went away can leave a file cut off. Tune then ends with a
traceback, or goes on with a new sampler and counts its trials as done.
"""

from __future__ import annotations

import json
import pickletools
from fnmatch import fnmatch
from pathlib import Path

from pipelines.training.storage import Storage

TUNER = "tuner.pkl"
TRIALS = "experiment_state-*.json"
_SAMPLED: tuple[str, ...] = ("search_gen_state-*.json", "searcher-state-*.pkl")
_GRID: tuple[str, ...] = ("basic-variant-state-*.json",)


FINISHED = "search.txt"
"""File beside the results that names the search: settings, data and code in one digest."""

ALREADY = (
    "tune: this search is finished; nothing is repeated: {}/front.html and best.yaml have its"
    " results (--no-resume repeats it)"
)


def is_finished(out: Path, search: str) -> bool:
    """Whether this folder has the results of exactly this search."""
    path = out / FINISHED
    return path.is_file() and path.read_text(encoding="utf-8").strip() == search


def mark_finished(out: Path, search: str) -> None:
    """Note that this folder has the results of this search."""
    (out / FINISHED).write_text(f"{search}\n", encoding="utf-8")


def is_started(storage: Storage, search: str) -> bool:
    """Whether there is a snapshot of the search, damaged or not."""
    names = storage.files(search)
    return TUNER in names and any(fnmatch(name, TRIALS) for name in names)


def damaged_file(storage: Storage, search: str, *, sampled: bool) -> str | None:
    """A file of a snapshot that is missing or cut off; None if the search can resume.

    Args:
        storage: Of the search.
        search: Its name; it is started.
        sampled: Whether a sampler proposes its trials; else they are a grid.
    """
    names = storage.files(search)
    for pattern in (TUNER, TRIALS, *(_SAMPLED if sampled else _GRID)):
        files = [name for name in names if fnmatch(name, pattern)]
        if not files:
            return pattern
        for name in files:
            if not _is_whole(storage.read(search, name)):
                return name
    return None


def _is_whole(data: bytes) -> bool:
    """Whether the data are a JSON document or a pickle; Tune names both .json."""
    try:
        json.loads(data)
    except ValueError:
        try:
            # Walks to the end without running anything.
            for _ in pickletools.genops(data):
                pass
        except ValueError:
            return False
    return True
