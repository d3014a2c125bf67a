"""Writes the features of all records of a source; a run that was killed resumes.

Records are processed in parts of about a thousand. Each finished part is kept in a folder beside
the output until all are finished:

    features.npz.parts/plan.json         digest of the model, digest of the records, size of a part
    features.npz.parts/part-00000.npz    features, positions of their records, failed records

A run that finds the same plan resumes after the last finished part; with another plan it starts
again.
"""

from __future__ import annotations

import io
import json
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
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.manifest import Contract
from tiprdc.runtime.csv_files import write_csv
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.feature_files import check_output, write_features
from tiprdc.runtime.record_source import FailedRecord, RecordSource

RECORDS_PER_PART = 1024
"""Records in a part, or one batch if that is more: a killed run loses one part at most."""


@dataclass(frozen=True, kw_only=True)
class ExtractionResult:
    """Counts of one run.

    Args:
        records: Number of records with features.
        failures: The records without features, in order.
        reused: Number of records in parts that an earlier run had finished.
        seconds: Duration of this run.
    """

    records: int
    failures: tuple[FailedRecord, ...]
    reused: int
    seconds: float


@dataclass(frozen=True)
class _Part:
    """Features `[n, *shape]`, codes, positions `[n]` of their records, and the failed records.

    Codes are `[n]`, or `[0]` without codes in the release.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.int64]
    positions: NDArray[np.int64]
    failures: list[FailedRecord]


def extract(
    extractor: Extractor,
    records: RecordSource,
    output: Path,
    *,
    batch: int = 64,
    report: Callable[[int], None] | None = None,
) -> ExtractionResult:
    """Write the features of all records that can be read.

    Failed records are also listed in `OUTPUT.failed.csv`; without any, that file is deleted.

    Args:
        extractor: The release.
        records: The records.
        output: `.npz` or `.parquet`.
        batch: Records in a batch, at least 1.
        report: Called after every batch with the number of records done, including those of earlier
            runs.

    Raises:
        ConfigError: The output cannot be written.
        DataError: Another file or folder is where the parts must go.
        ModelError: onnxruntime fails.
    """
    check_output(output)
    start_time = time.monotonic()
    size = max(RECORDS_PER_PART, batch)
    folder = output.with_name(f"{output.name}.parts")
    contract = extractor.contract
    plan = {"model": contract.model_sha256, "records": records.digest, "part": size}
    _prepare_folder(folder, plan)
    edges = [*range(0, len(records), size), len(records)]
    files = [folder / f"part-{number:05d}.npz" for number in range(len(edges) - 1)]
    done = reused = 0
    for file, (start, stop) in zip(files, pairwise(edges), strict=True):
        if _load_part(file, contract) is not None:
            reused += stop - start
        else:
            part = _extract_part(extractor, records, range(start, stop), batch, report, done)
            _save_part(file, part)
        done += stop - start
        if report:
            report(done)
    failures, ids, codes = _collect_names(files, contract, records)
    features = (_require_part(file, contract).features for file in files)
    write_features(output, ids, features, contract.features, contract.model_sha256, codes)
    _write_failures(output.with_name(f"{output.name}.failed.csv"), failures)
    _clear(folder)
    return ExtractionResult(
        records=len(ids),
        failures=failures,
        reused=reused,
        seconds=time.monotonic() - start_time,
    )


def _extract_part(
    extractor: Extractor,
    records: RecordSource,
    rows: range,
    batch: int,
    report: Callable[[int], None] | None,
    done: int,
) -> _Part:
    """Extract one part; the next batch is read while onnxruntime runs on this one."""
    shape = (0, *extractor.contract.features)
    features, positions = [np.zeros(shape, np.float32)], [np.zeros(0, np.int64)]
    codes = [np.zeros(0, np.int64)]
    failures: dict[int, FailedRecord] = {}

    def read(start: int) -> tuple[NDArray[Any], NDArray[np.int64], dict[int, FailedRecord]]:
        x, batch_positions, batch_failures = records.read(start, min(start + batch, rows.stop))
        return extractor.encode(x), batch_positions, batch_failures

    with ThreadPoolExecutor(1) as reader:
        starts = range(rows.start, rows.stop, batch)
        next_batch = reader.submit(read, starts[0])
        for start in starts:
            x, batch_positions, batch_failures = next_batch.result()
            if start + batch < rows.stop:
                next_batch = reader.submit(read, start + batch)
            z, numbers = extractor.run_with_codes(x)
            finite = np.isfinite(z).all(axis=tuple(range(1, z.ndim)))
            features.append(z[finite])
            codes.append(numbers[finite] if extractor.contract.output.codes else numbers)
            positions.append(batch_positions[finite])
            failures |= batch_failures
            for position in batch_positions[~finite].tolist():
                reason = "its features are not finite"
                failures[position] = FailedRecord(id=records.ids[position], reason=reason)
            if report:
                done += min(batch, rows.stop - start)
                report(done)
    ordered = [failures[position] for position in sorted(failures)]
    return _Part(
        np.concatenate(features), np.concatenate(codes), np.concatenate(positions), ordered
    )


def _prepare_folder(folder: Path, plan: dict[str, Any]) -> None:
    """Make a folder for the parts of this plan; parts of another plan are deleted."""
    path = folder / "plan.json"
    with suppress(OSError, ValueError):
        if json.loads(path.read_text()) == plan:
            return
    _clear(folder)
    try:
        folder.mkdir()
    except OSError as error:
        given = f"this path is needed for partial results but is in use ({type(error).__name__})"
        raise DataError(str(folder), given, hint="move it away, or name another output") from error
    _write(path, json.dumps(plan).encode())


def _save_part(file: Path, part: _Part) -> None:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        features=part.features,
        codes=part.codes,
        positions=part.positions,
        failed=np.array([failure.id for failure in part.failures], dtype=np.str_),
        reasons=np.array([failure.reason for failure in part.failures], dtype=np.str_),
    )
    _write(file, buffer.getvalue())


def _load_part(file: Path, contract: Contract) -> _Part | None:
    """A finished part, or None if there is none or it is broken."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = zip(arrays["failed"].tolist(), arrays["reasons"].tolist(), strict=True)
            failures = [FailedRecord(id=name, reason=reason) for name, reason in names]
            part = _Part(arrays["features"], arrays["codes"], arrays["positions"], failures)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    count = len(part.positions)
    codes = count if contract.output.codes else 0
    is_whole = part.features.shape == (count, *contract.features) and len(part.codes) == codes
    return part if is_whole and part.features.dtype == np.float32 else None


def _require_part(file: Path, contract: Contract) -> _Part:
    part = _load_part(file, contract)
    if part is None:
        raise DataError(
            str(file),
            "this part was deleted or changed during the run",
            hint="run the same command again, one at a time for each output",
        )
    return part


def _collect_names(
    files: list[Path], contract: Contract, records: RecordSource
) -> tuple[tuple[FailedRecord, ...], list[str], NDArray[np.int64] | None]:
    """All failed records; names and codes of all others, in order."""
    failures: list[FailedRecord] = []
    ids: list[str] = []
    codes = [np.zeros(0, np.int64)]
    for file in files:
        part = _require_part(file, contract)
        failures += part.failures
        ids += [records.ids[position] for position in part.positions]
        codes.append(part.codes)
    return tuple(failures), ids, np.concatenate(codes) if contract.output.codes else None


def _write_failures(path: Path, failures: tuple[FailedRecord, ...]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    write_csv(path, [["id", "reason"], *([failure.id, failure.reason] for failure in failures)])


def _write(path: Path, data: bytes) -> None:
    with atomic_file(path) as file:
        file.write(data)


def _clear(folder: Path) -> None:
    """Delete the files of earlier runs, and the folder if nothing else is in it."""
    for pattern in ("plan.json", "part-*.npz", ".plan.json.*", ".part-*.npz.*"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
