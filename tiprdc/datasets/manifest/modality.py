"""Tells the modality of records from the values of the input columns, or asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tiprdc.datasets.manifest.image_paths import SUFFIXES
from tiprdc.datasets.manifest.vectors import are_vector_files
from tiprdc.datasets.recordings import SUFFIXES as RECORDINGS
from tiprdc.datasets.schema import Modality
from tiprdc.datasets.tables.column_kinds import LIST, count_kinds
from tiprdc.datasets.tables.names import show_name
from tiprdc.datasets.tables.parquet_columns import is_text
from tiprdc.errors import DataError

_LONGEST_PATH = 200
"""Letters beyond which a value is not looked up as a file."""
_MOST = 0.9
"""Share of paths of one kind from which on a column has that kind."""
_FEWEST = 40
"""Values from which on it counts how often each recurs."""


def guess_modality(inputs: pd.DataFrame, root: Path, section: str) -> Modality:
    """Several columns are a table; one is images, recordings, texts or a table, depending on its
    values.

    Args:
        inputs: The input columns.
        root: The folder that paths are relative to.
        section: The section of params.yaml, for messages.

    Raises:
        DataError: The values of one column are not plainly one of the four.
    """
    if inputs.shape[1] > 1:
        return "table"
    column = repr(show_name(str(inputs.columns[0])))
    if not is_text(inputs.iloc[:, 0]) or are_vector_files(inputs.iloc[:, 0].dropna()):
        return "table"
    sample = inputs.iloc[:, 0].dropna().head(1000)
    if sample.empty:
        return "table"
    if holds_recordings(sample):
        return "audio"
    images = float(sample.str.lower().str.endswith(SUFFIXES).mean())
    if images > _MOST or _are_files(sample.head(100).tolist(), root):
        return "image"
    is_spaced = float(sample.str.strip().str.contains(r"\s").mean()) > 0.5
    lists, different = count_kinds(sample)[LIST], int(sample.nunique())
    found = hint = ""
    if lists:
        found = f"{lists:,} lists of numbers"
        hint = "give each number a column of its own; or, to read them as words, set the modality"
    elif images > 0.1:
        found, hint = f"paths of pictures in {images:.0%}", "name a picture in each row"
    elif is_spaced and len(sample) >= _FEWEST and different < len(sample) / 4:
        found, hint = f"{different:,} different texts", f"set {section}.modality to text or table"
    if found:
        raise DataError(
            f"{section}.modality", f"column {column} is not plainly one thing: {found} in its first"
            f" {len(sample):,} values", "image or audio for paths, text for texts, table for"
            " categories or numbers", hint,
        )  # fmt: skip
    return "text" if is_spaced else "table"


def holds_recordings(values: pd.Series[Any]) -> bool:
    """Whether a column has paths of recordings, by their endings."""
    if not is_text(values) or not values.notna().any():
        return False
    return float(values.dropna().str.lower().str.endswith(RECORDINGS).mean()) > _MOST


def _are_files(sample: list[str], root: Path) -> bool:
    """Whether all of these values name files in a folder."""
    return all(
        len(text) <= _LONGEST_PATH and "\0" not in text and (root / text).is_file()
        for text in sample
    )
