"""Keeps batches of one released version: each once, and none of a contributor who deleted them."""

from __future__ import annotations

import enum
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql.schema import Table

from tiprdc.collect.database import BATCHES, CONTRIBUTORS, RELEASE, writer
from tiprdc.errors import ConfigError
from tiprdc.formats.feature_batch import (
    AcceptedRelease,
    FeatureBatch,
    pack_ids,
    public_name,
)


class Outcome(enum.Enum):
    """What became of a batch."""

    STORED = "stored"
    KNOWN = "known"
    DELETED = "deleted"


class Store:
    """Batches in a database.

    Args:
        engine: Of `opened`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writer = engine, writer(engine)
        # SQLite's own wait for its one writer polls, and lets some threads wait for seconds.
        is_sqlite = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[Any] = Lock() if is_sqlite else nullcontext()

    def claim(self, release: AcceptedRelease) -> None:
        """Reserve a new database for a version, or check that it is the one of this database.

        Raises:
            ConfigError: The database has features of another version.
        """
        document = msgspec.json.encode(release).decode()
        with self._turn, self._writer.begin() as connection:
            _insert_once(connection, RELEASE, id=1, document=document)
        known = self.release()
        if known != release:
            raise ConfigError(
                "--database", f"it is for {known.name}, not for {release.name}",
                hint="one database for each version",
            )  # fmt: skip

    def release(self) -> AcceptedRelease:
        """The version whose features are here.

        Raises:
            ConfigError: No collector has used this database yet.
        """
        with self._engine.connect() as connection:
            document = connection.scalar(select(RELEASE.c.document))
        if document is None:
            hint = "start `tiprdc collect` with it first"
            raise ConfigError("--database", "no collector has used it", hint=hint)
        return msgspec.json.decode(document, type=AcceptedRelease)

    def add(self, batch_id: str, batch: FeatureBatch) -> Outcome:
        """Store a batch; when this returns, it is on the disk.

        Args:
            batch_id: 64 hex digits.
            batch: Checked against the release.
        """
        name = public_name(batch.contributor)
        codes = None if batch.codes is None else np.array(batch.codes, "<i8").tobytes()
        with self._turn, self._writer.begin() as connection:
            if _lock_contributor(connection, name):
                return Outcome.DELETED
            stored = _insert_once(
                connection, BATCHES, id=batch_id, contributor=name,
                ids=pack_ids(batch.ids), features=batch.features, codes=codes,
            )  # fmt: skip
        return Outcome.STORED if stored else Outcome.KNOWN

    def delete(self, name: str) -> int:
        """Delete all of a contributor, and refuse what it may still send.

        Args:
            name: Its public name.

        Returns:
            Number of batches deleted; 0 if there were none.
        """
        with self._turn, self._writer.begin() as connection:
            _lock_contributor(connection, name)
            connection.execute(
                update(CONTRIBUTORS).where(CONTRIBUTORS.c.name == name).values(deleted=True)
            )
            deleted = connection.execute(delete(BATCHES).where(BATCHES.c.contributor == name))
        if self._engine.dialect.name == "sqlite":
            self._empty_log()
        return deleted.rowcount

    def _empty_log(self) -> None:
        """Overwrite SQLite's log, which still has what was deleted."""
        connection = self._engine.raw_connection()
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()

    def counts(self) -> tuple[int, int]:
        """Number of batches, and of contributors with a batch."""
        columns = func.count(), func.count(BATCHES.c.contributor.distinct())
        with self._engine.connect() as connection:
            batches, contributors = connection.execute(select(*columns)).one()
        return batches, contributors


def _lock_contributor(connection: Connection, name: str) -> bool:
    """Keep other transactions off this contributor; returns whether it was deleted."""
    _insert_once(connection, CONTRIBUTORS, name=name, deleted=False)
    column, where = CONTRIBUTORS.c.deleted, CONTRIBUTORS.c.name == name
    return bool(connection.scalar(select(column).where(where).with_for_update()))


def _insert_once(connection: Connection, table: Table, **row: object) -> bool:
    """Insert a row unless there is one of its key; returns whether it was inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(table).values(**row).on_conflict_do_nothing()
    # Not its rowcount, which drivers do not keep for an INSERT.
    return connection.scalar(statement.returning(*table.primary_key)) is not None
