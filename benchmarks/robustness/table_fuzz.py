"""Fuzzes the readers of tables: no file may crash them, lose a record or show a cell.

    python -m benchmarks.robustness.table_fuzz --seconds 600 [--json] [--keep DIR]

Each file is read as `prepare` reads a table and texts, and as a device reads texts.

    files        written
    read         with every record that the file has
    refused      with an error that names no cell
    lost         files of which records are missing without a word: must be 0
    shown        messages that hold a cell: must be 0
    surprises    other errors: must be 0
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.outputs import writable_folder
from benchmarks.robustness.outcomes import report
from benchmarks.robustness.table_files import MARK, TableFile, table_files
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.errors import TiprdcError
from tiprdc.runtime.text_files import CsvTable

NAMES = ("files", "read", "refused", "lost", "shown", "surprises")
FAULTS = ("lost", "shown", "surprises")
_ROUND_SIZE = 200


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Duration in seconds.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for files with a fault.", callback=writable_folder)
    ] = None,
    start: Annotated[int, typer.Option(help="Seed of the first round.")] = 0,
) -> None:
    """Read tables for some time and print the counts of outcomes."""
    counts: Counter[str] = Counter()
    end, number = time.monotonic() + seconds, start

    @settings(
        max_examples=_ROUND_SIZE, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(table_files())
    def execute(file: TableFile) -> None:
        if time.monotonic() < end:
            found = outcomes(file)
            counts.update(["files", *found])
            for outcome in set(found) & set(FAULTS) if keep else ():
                keep.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256(file.data).hexdigest()[:16]
                (keep / f"{outcome}-{digest}-{file.name}").write_bytes(file.data)

    while time.monotonic() < end:
        seed(number)(execute)()
        number += 1
    rounds = f"seeds {start} to {number - 1}"
    report({**{name: counts[name] for name in NAMES}, "rounds": rounds}, FAULTS, as_json=as_json)


def outcomes(file: TableFile) -> list[str]:
    """What becomes of a file: as a table, as texts, and as texts on a device."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file.name)
        path.write_bytes(file.data)
        readers: list[Callable[[], int]] = [
            lambda: _prepare(path, "table"), lambda: _prepare(path, "text"),
        ]  # fmt: skip
        if path.suffix != ".parquet":
            readers.append(lambda: len(CsvTable(path).column("x")))
        return [_outcome(read, file.rows) for read in readers]


def _prepare(path: Path, modality: Literal["table", "text"]) -> int:
    config = ManifestConfig(
        path=str(path), root=str(path.parent), modality=modality, x=("x",), private=("gender",),
        utility=("rich",), person="who", split=None, length=8, vocabulary=300,
    )  # fmt: skip
    reader = ManifestReader(config)
    records = reader.index().records
    reader.read(records, reader.fit(records))
    return len(records)


def _outcome(read: Callable[[], int], rows: int | None) -> str:
    try:
        count = read()
    except TiprdcError as error:
        return "shown" if MARK in str(error) else "refused"
    except Exception:
        return "surprises"
    return "read" if rows in (None, count) else "lost"


if __name__ == "__main__":
    typer.run(main)
