"""Features of everything that lies at a path, also when the machine stops in between.

Work is done in parts of about a thousand records. Each finished part lies in a folder beside the
output until all are there:

    features.npz.parts/plan.json         the model's digest, the records' digest, the size of a part
    features.npz.parts/part-00000.npz    features, the places of their records, failures

A run that finds the same plan goes on after the last finished part; another plan begins anew.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import DataError
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.feature_files import check_output, write_features
from tiprdc.runtime.records import Failure, RecordSource

PART = 1024
"""Records of a part, or one batch where that is more: what a kill may cost."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of all records.

    Args:
        records: How many have features.
        failures: The others, in order.
        reused: Records of parts that an earlier run had finished.
        seconds: Of this run.
    """

    records: int
    failures: tuple[Failure, ...]
    reused: int
    seconds: float


@dataclass(frozen=True)
class _Part:
    features: NDArray[np.float32]
    places: NDArray[np.int64]
    failures: list[Failure]


def extract(
    extractor: Extractor,
    intake: RecordSource,
    output: Path,
    *,
    batch: int = 64,
    report: Callable[[int], None] | None = None,
) -> Outcome:
    """Write the features of all records that can be read.

    Failures are also written to `OUTPUT.failed.csv`, which is not there when there are none.

    Args:
        extractor: The release.
        intake: The records.
        output: `.npz` or `.parquet`.
        batch: Records at a time, at least 1.
        report: Told after every batch how many records are done, those of earlier runs included.

    Raises:
        ConfigError: The output cannot be written.
        DataError: Something else lies where the parts go.
        ModelError: A feature is not finite.
    """
    check_output(output)
    begun = time.monotonic()
    size = max(PART, batch)
    folder = output.with_name(f"{output.name}.parts")
    contract = extractor.contract
    _prepare(folder, {"model": contract.model_sha256, "records": intake.digest, "part": size})
    edges = [*range(0, len(intake), size), len(intake)]
    files = [folder / f"part-{number:05d}.npz" for number in range(len(edges) - 1)]
    done = reused = 0
    for file, (start, stop) in zip(files, pairwise(edges), strict=True):
        if _load(file, contract.features) is not None:
            reused += stop - start
        else:
            part = _work(extractor, intake, range(start, stop), batch, report, done)
            _save(file, part)
        done += stop - start
        if report:
            report(done)
    failures, ids = _names(files, contract.features, intake)
    features = (_finished(file, contract.features).features for file in files)
    write_features(output, ids, features, contract.features, contract.model_sha256)
    _write_failures(output.with_name(f"{output.name}.failed.csv"), failures)
    _clear(folder)
    return Outcome(
        records=len(ids), failures=failures, reused=reused, seconds=time.monotonic() - begun
    )


def _work(
    extractor: Extractor,
    intake: RecordSource,
    rows: range,
    batch: int,
    report: Callable[[int], None] | None,
    done: int,
) -> _Part:
    """Features of one part; the next batch is read while onnxruntime has this one."""
    shape = (0, *extractor.contract.features)
    features, places = [np.zeros(shape, np.float32)], [np.zeros(0, np.int64)]
    failures: dict[int, Failure] = {}

    def read(start: int) -> tuple[NDArray[Any], NDArray[np.int64], dict[int, Failure]]:
        found, kept, failed = intake.read(start, min(start + batch, rows.stop))
        return extractor.encode(found), kept, failed

    with ThreadPoolExecutor(1) as reader:
        starts = range(rows.start, rows.stop, batch)
        coming = reader.submit(read, starts[0])
        for start in starts:
            x, kept, failed = coming.result()
            if start + batch < rows.stop:
                coming = reader.submit(read, start + batch)
            z = extractor.run(x)
            finite = np.isfinite(z).reshape(len(z), -1).all(axis=1)
            features.append(z[finite])
            places.append(kept[finite])
            reason = "its features are not finite"
            failures |= failed
            failures |= {int(p): Failure(id=intake.ids[p], reason=reason) for p in kept[~finite]}
            if report:
                done += min(batch, rows.stop - start)
                report(done)
    ordered = [failures[place] for place in sorted(failures)]
    return _Part(np.concatenate(features), np.concatenate(places), ordered)


def _prepare(folder: Path, plan: dict[str, Any]) -> None:
    """A folder for the parts of this plan; those of another are thrown away."""
    kept = folder / "plan.json"
    with suppress(OSError, ValueError):
        if json.loads(kept.read_text()) == plan:
            return
    _clear(folder)
    try:
        folder.mkdir()
    except OSError as error:
        given = f"it is there and is not ours ({type(error).__name__})"
        raise DataError(
            str(folder), given, "a place for partial results", "move it away"
        ) from error
    _replace(kept, json.dumps(plan).encode())


def _save(file: Path, part: _Part) -> None:
    held = io.BytesIO()
    np.savez(
        held,
        features=part.features,
        places=part.places,
        failed=np.array([failure.id for failure in part.failures], dtype=np.str_),
        reasons=np.array([failure.reason for failure in part.failures], dtype=np.str_),
    )
    _replace(file, held.getvalue())


def _load(file: Path, shape: tuple[int, ...]) -> _Part | None:
    """A finished part, or None where there is none or a broken one."""
    try:
        with np.load(file, allow_pickle=False) as found:
            names = zip(found["failed"].tolist(), found["reasons"].tolist(), strict=True)
            failures = [Failure(id=name, reason=reason) for name, reason in names]
            part = _Part(found["features"], found["places"], failures)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = part.features.shape == (len(part.places), *shape) and part.features.dtype == np.float32
    return part if fits else None


def _finished(file: Path, shape: tuple[int, ...]) -> _Part:
    part = _load(file, shape)
    if part is None:
        raise DataError(
            str(file), "gone or broken, while we worked", "one run at a time", "run it again"
        )
    return part


def _names(
    files: list[Path], shape: tuple[int, ...], intake: RecordSource
) -> tuple[tuple[Failure, ...], list[str]]:
    """All failures, and the names of all others, in order."""
    failures: list[Failure] = []
    ids: list[str] = []
    for file in files:
        part = _finished(file, shape)
        failures += part.failures
        ids += [intake.ids[place] for place in part.places]
    return tuple(failures), ids


def _write_failures(path: Path, failures: tuple[Failure, ...]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "reason"])
    table.writerows([failure.id, failure.reason] for failure in failures)
    _replace(path, text.getvalue().encode("utf-8", "backslashreplace"))


def _replace(path: Path, data: bytes) -> None:
    """The file is there whole, or as it was before."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def _clear(folder: Path) -> None:
    """Take away what we put there, and the folder if nothing else is in it."""
    for pattern in ("plan.json", "part-*.npz", ".plan.json.*", ".part-*.npz.*"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
