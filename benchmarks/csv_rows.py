"""Rows of a CSV that grows while a benchmark runs, so that a stopped one goes on."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def append(path: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Add a row, below a header if the file is new.

    Args:
        path: The CSV.
        columns: Their names, in order.
        row: A value for each.
    """
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
