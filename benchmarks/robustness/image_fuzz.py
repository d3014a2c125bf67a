"""Fuzzes the decoder of pictures: each file gives pixels or a reason, and none is lost.

    python -m benchmarks.robustness.image_fuzz --seconds 600 [--json] [--keep DIR]

Each round writes a folder of pictures and broken ones with any ending, and lists and reads it as
`tiprdc extract` does, in a process of its own.

    files        written
    read         as pixels
    refused      with a reason
    crashes      of the process that reads: must be 0
    lost         files that are neither read nor refused: must be 0
    surprises    errors without a reason, or with another than the known ones: must be 0
"""

from __future__ import annotations

import multiprocessing
import re
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.outputs import writable_folder
from benchmarks.robustness.image_mutants import ENDINGS, mutant
from benchmarks.robustness.outcomes import report
from tiprdc.datasets.images import read_image
from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.runtime.file_decoders import FILES
from tiprdc.runtime.file_lists import list_files

NAMES = ("files", "read", "refused", "crashes", "lost", "surprises")
FAULTS = ("crashes", "lost", "surprises")
REASONS = re.compile(
    r"a broken picture|not a picture|an empty file|of one colour|more than [\d,]+ pixels"
    r"|grey of more than 16 bits, .*|grey whose upper 4 bits are empty: .*"
    r"|16-bit colours with one transparent colour"
    r"|colours of mode [A-Z]+, which are not read|an? (HEIC|AVIF) picture: install .*"
    r"|of a format that is not read \([A-Za-z 0-9]+\): convert it to PNG"
)
_FILES = 100
_SIDE = 16


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Duration in seconds.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for files with a fault.", callback=writable_folder)
    ] = None,
    start: Annotated[int, typer.Option(help="Seed of the first round.")] = 0,
) -> None:
    """Read folders of broken pictures for some time and print the counts of outcomes."""
    counts: Counter[str] = Counter()
    end, seed = time.monotonic() + seconds, start
    while time.monotonic() < end:
        counts += fuzz_round(seed, keep=keep)
        seed += 1
    rounds = f"seeds {start} to {seed - 1}"
    report({**{name: counts[name] for name in NAMES}, "rounds": rounds}, FAULTS, as_json=as_json)


def fuzz_round(seed: int, *, files: int = _FILES, keep: Path | None = None) -> Counter[str]:
    """Counts of outcomes of one folder; the same seed gives the same folder."""
    rng = np.random.default_rng(seed)
    counts = Counter(files=files)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(files):
            (folder / f"{number:03d}{rng.choice(ENDINGS)}").write_bytes(mutant(rng))
        outcomes = _in_process(folder)
        counts["crashes"] += outcomes is None
        for path in sorted(folder.iterdir()):
            outcome = "lost" if outcomes is None else outcomes.get(path.name, "lost")
            counts[outcome] += 1
            if keep and outcome in FAULTS:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{outcome}-{seed}-{path.name}").write_bytes(path.read_bytes())
    return counts


def _in_process(folder: Path) -> dict[str, str] | None:
    """Outcome of each file, from a fresh process; None if it crashed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(read_folder, folder).result()
        except BrokenProcessPool:
            return None


def read_folder(folder: Path) -> dict[str, str]:
    """Outcome of each file that `tiprdc extract` lists."""
    files, _ = list_files(folder, FILES["image"])
    return {file.id: _outcome(file.path) for file in files}


def _outcome(path: Path) -> str:
    try:
        pixels = read_image(path, _SIDE)
    except UnusableFileError as error:
        return "refused" if REASONS.fullmatch(str(error)) else "surprises"
    except Exception:
        return "surprises"
    fits = pixels.shape == (3, _SIDE, _SIDE) and pixels.dtype == np.uint8
    return "read" if fits else "surprises"


if __name__ == "__main__":
    typer.run(main)
