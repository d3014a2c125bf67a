"""Writes collected features as one file, in the layout of `tiprdc extract`.

A record is named CONTRIBUTOR/ID: the contributor's public name, then the id that its device gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, select
from sqlalchemy.engine import Connection, Engine

from tiprdc.collect.database import BATCHES
from tiprdc.collect.store import Store
from tiprdc.errors import DataError
from tiprdc.formats.feature_batch import unpack_ids
from tiprdc.runtime.feature_files import check_output, write_features

_ROWS = 64
"""Batches in memory at once."""


def export(engine: Engine, output: Path) -> tuple[int, int]:
    """Write all features in the database, in the order of contributors.

    A record that a contributor sent twice is written once.

    Args:
        engine: Of `opened`.
        output: `.npz` or `.parquet`; it appears complete, or stays as it was.

    Returns:
        Number of records, and of contributors.

    Raises:
        ConfigError: The output cannot be written, or no collector has used the database.
        DataError: There is no batch.
    """
    check_output(output)
    release = Store(engine).release()
    with _snapshot(engine) as connection:
        names: list[str] = []
        kept: list[NDArray[np.bool_]] = []
        contributors = 0
        rows = _rows(connection, BATCHES.c.contributor, BATCHES.c.ids)
        for contributor, batches in groupby(rows, itemgetter(0)):
            contributors += 1
            seen = set[str]()
            for _, data in batches:
                ids = unpack_ids(data)
                kept.append(np.array([id_ not in seen for id_ in ids]))
                names += [f"{contributor}/{id_}" for id_ in ids if id_ not in seen]
                seen.update(ids)
        if not names:
            raise DataError("--database", "it has no features")
        parts = (
            np.frombuffer(data, "<f4").reshape(-1, *release.features)[keep]
            for keep, (data,) in zip(kept, _rows(connection, BATCHES.c.features), strict=True)
        )
        codes = _codes(connection, kept) if release.output.codes else None
        write_features(output, names, parts, release.features, release.model_sha256, codes)
    return len(names), contributors


def _codes(connection: Connection, kept: list[NDArray[np.bool_]]) -> NDArray[np.int64]:
    rows = zip(kept, _rows(connection, BATCHES.c.codes), strict=True)
    return np.concatenate([np.frombuffer(data, "<i8")[keep] for keep, (data,) in rows])


def _snapshot(engine: Engine) -> Connection:
    """A connection whose reads all see one state; SQLite's transactions do so by themselves."""
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
    return connection


def _rows(connection: Connection, *columns: Column[Any]) -> Iterator[Any]:
    statement = select(*columns).order_by(BATCHES.c.contributor, BATCHES.c.id)
    yield from connection.execution_options(yield_per=_ROWS).execute(statement)
