"""The collector's database: its tables, and an engine whose commits survive a loss of power.

SQLite writes ahead (WAL), syncs every commit and overwrites what is deleted; PostgreSQL syncs by
default. No column holds a time, an address or the token of a sender.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tiprdc.errors import ConfigError

_TABLES = MetaData()

RELEASE = Table(
    "release", _TABLES,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("document", String, nullable=False),
)  # fmt: skip
"""One row: the version whose features are in this database, as JSON."""

TOKENS = Table(
    "tokens", _TABLES,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("sha256", LargeBinary(32), nullable=False),
)  # fmt: skip
"""Tokens of devices; the token itself is not kept."""

CONTRIBUTORS = Table(
    "contributors", _TABLES,
    Column("name", String(64), primary_key=True),
    Column("deleted", Boolean, nullable=False),
)  # fmt: skip
"""Contributors by their public name. A deleted one stays, so that a late batch is refused."""

BATCHES = Table(
    "batches", _TABLES,
    Column("id", String(64), primary_key=True),
    Column(
        "contributor", String(64), ForeignKey("contributors.name"), nullable=False, index=True
    ),
    Column("ids", LargeBinary, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("codes", LargeBinary),
)  # fmt: skip
"""Batches: 16 bytes an id; features as little-endian float32; codes as little-endian int64."""

_HINT = "e.g. sqlite:///features.db, or postgresql://user@host/database"
_BUSY_SECONDS = 30
_CONNECTIONS = 40
"""As many as Starlette has threads, so that none waits for a connection."""


@contextmanager
def opened(address: str) -> Iterator[Engine]:
    """An engine for a database while the block runs; its tables are made if there are none.

    Args:
        address: `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.

    Raises:
        ConfigError: It is no such address, the driver is not installed, or the database cannot be
            opened.
    """
    url = _parse(address)
    try:
        # Parameters in an error message would be features.
        engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=True, pool_size=_CONNECTIONS, max_overflow=0
        )
        if url.get_backend_name() == "sqlite":
            _make_private(url)
            _configure_sqlite(engine)
        _TABLES.create_all(engine)
    except ModuleNotFoundError as error:
        hint = 'pip install "tiprdc[collect]"'
        raise ConfigError("--database", f"{error.name} is not installed", hint=hint) from None
    except (SQLAlchemyError, OSError) as error:
        given = f"{_shown(url)} cannot be opened ({type(error).__name__})"
        raise ConfigError("--database", given, hint=_HINT) from None
    try:
        yield engine
    finally:
        engine.dispose()


def writer(engine: Engine) -> Engine:
    """The same engine for transactions that write."""
    return engine.execution_options(write=True)


def _parse(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # It may hold a password, so it is not shown.
        raise ConfigError("--database", "not an address of a database", hint=_HINT) from None
    kind = url.get_backend_name()
    if kind == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ConfigError("--database", kind, "sqlite or postgresql", _HINT)
    if not url.database or url.database == ":memory:" or url.query:
        raise ConfigError("--database", "SQLite without a file", hint=_HINT)
    return url


def _shown(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)


def _make_private(url: URL) -> None:
    """Make the file readable by its owner alone; SQLite gives its log the same mode."""
    path = Path(url.database or "")
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # Python's own transactions would begin too late; `begin` below does it.
        connection.isolation_level = None
        for setting in (
            f"busy_timeout = {1000 * _BUSY_SECONDS}", "journal_mode = WAL", "synchronous = FULL",
            "secure_delete = ON", "foreign_keys = ON",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes then would fail if another wrote in between.
        writes = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
