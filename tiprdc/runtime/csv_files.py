"""Writes small tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from tiprdc.formats.atomic import atomic_file


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows, the header first; the file appears complete, or stays as it was.

    Bytes of a name that are no text are written as \\xNN.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with atomic_file(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
