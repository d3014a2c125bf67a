"""Pictures and recordings of a manifest: finds the files that its column names, and reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.manifest.image_columns import has_bytes
from tiprdc.datasets.manifest.image_paths import FIRST, is_path, refuse_wrong_root, resolve_paths
from tiprdc.datasets.manifest.inputs import input_columns
from tiprdc.datasets.reader import Batch
from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.datasets.tables.files import first_names
from tiprdc.errors import DataError

Decode = Callable[[Path | bytes], NDArray[Any]]
"""Reads a file, or its bytes, as a record; raises `UnusableFileError`."""


def find_files(
    records: pd.DataFrame, root: Path, section: str, kind: str
) -> tuple[pd.DataFrame, list[str]]:
    """Find the files of an index; one that holds their bytes itself stays as it is.

    Args:
        records: The index, with one input column of paths.
        root: The folder that paths are relative to.
        section: The section of params.yaml, for messages.
        kind: What the files are in messages: pictures or recordings.

    Returns:
        The index with the files' own paths, and notes on it.

    Raises:
        DataError: The root is not a folder or has less than half of the files, a cell is no path, a
            path leads out of the root or means several files, or two people have one file.
    """
    (column,) = input_columns(records)
    if has_bytes(records[column]):
        return records, []
    _require_root(root, section, kind)
    cells = records[column].dropna()
    names = records["record"][cells.index]
    paths = cells.tolist()
    _refuse_outside(names, paths, root, section, kind)
    resolved = resolve_paths(paths, root)
    if resolved.none_found:
        _refuse_contents(cells, f"{section}.x", kind)
    tried = paths[:FIRST] if resolved.none_found else paths
    refuse_wrong_root(len(resolved.missing), tried, root, f"{section}.root", kind)
    if resolved.ambiguous:
        raise DataError(
            f"{section}.x",
            f"{len(resolved.ambiguous):,} paths could mean several files:"
            f" {first_names(names.iloc[resolved.ambiguous])}",
            "the name as the file system has it, with its capital letters and accents",
            "correct these paths, or rename the files",
        )
    _refuse_two_people(records["person"][cells.index], resolved.paths, names, section, kind)
    other = sum(old != new for old, new in zip(paths, resolved.paths, strict=True))
    found = records.copy()
    found.loc[cells.index, column] = resolved.paths
    files = sorted(set(range(len(paths))) - set(resolved.missing))
    # The name of a file can be shown, whatever it looks like.
    found.loc[cells.index[files], "record"] = [resolved.paths[row] for row in files]
    notes = [f"{other:,} paths differ from their files in case, accents or slashes."]
    return found, notes if other else []


def _refuse_contents(cells: pd.Series[str], where: str, kind: str) -> None:
    """Refuse a column of numbers or texts in place of paths, without showing a cell."""
    others = int((~cells.map(is_path)).sum())
    if 2 * others > len(cells):
        raise DataError(
            where,
            f"{others:,} of {len(cells):,} cells are no paths of files",
            f"a column of paths of {kind}",
            f"write each of the {kind} to a file and its path into the column",
        )


def _refuse_outside(
    names: pd.Series[str], paths: list[str], root: Path, section: str, kind: str
) -> None:
    inside = str(root) + os.sep
    outside = [
        name
        for name, path in zip(names, paths, strict=True)
        if not os.path.normpath(root / path).startswith(inside)
    ]
    if outside:
        raise DataError(
            f"{section}.x",
            f"{len(outside):,} paths lead out of {root}: {first_names(outside)}",
            "paths inside the root",
            f"set {section}.root to a folder that contains all {kind}",
        )


def _refuse_two_people(
    people: pd.Series[str], paths: Iterable[str], names: pd.Series[str], section: str, kind: str
) -> None:
    files = pd.Series(map(os.path.normpath, paths), index=people.index, dtype=str)
    shared = people.groupby(files).transform("nunique") > 1
    if shared.any():
        first = names[shared][~files[shared].duplicated()]
        raise DataError(
            f"{section}.x",
            f"{len(first):,} {kind} are listed for two people: {first_names(first)}",
            "each file for one person",
            "delete the repeated rows, or name the person column",
        )


def read_files(records: pd.DataFrame, x: NDArray[Any], decode: Decode, root: Path) -> Batch:
    """Read files, or their bytes; what cannot be used is not readable, with the reason.

    Args:
        records: Rows of the index.
        x: Zeros `[B, *shape]`, which get the records.
        decode: Reads one.
        root: The folder that paths are relative to.
    """
    (name,) = input_columns(records)
    reasons: dict[int, str] = {}
    for row, cell in enumerate(records[name]):
        if pd.isna(cell):
            reasons[row] = "an empty cell"
            continue
        try:
            x[row] = decode(cell if isinstance(cell, bytes) else root / cell)
        except UnusableFileError as error:
            reasons[row] = str(error)
    readable = np.array([row not in reasons for row in range(len(records))], dtype=bool)
    return Batch(x=x, readable=readable, reasons=reasons)


def require_root(records: pd.DataFrame, root: Path, section: str, kind: str) -> None:
    """Refuse a root that is no folder, unless the index holds the files' bytes.

    Raises:
        DataError: It is not a folder on this machine.
    """
    (name,) = input_columns(records)
    if not has_bytes(records[name]):
        _require_root(root, section, kind)


def _require_root(root: Path, section: str, kind: str) -> None:
    if not root.is_dir():
        raise DataError(
            f"{section}.root",
            f"{root} is not a folder on this machine",
            "a folder that this machine, and every worker of a cluster, can read",
            f"correct the path, or put the {kind} on storage that all machines share",
        )
