"""Appends rows to the CSV of a benchmark, so that a stopped run can resume."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def append(path: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Append a row; write the header first if the file is new.

    Args:
        path: The CSV.
        columns: Names of the columns, in order.
        row: A value for each column.
    """
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
