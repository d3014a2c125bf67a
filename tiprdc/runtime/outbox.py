"""What a device keeps about a collector: its contributor, batches to send, records it has sent.

One SQLite file: a batch enters together with the names of its records, so that a run that is killed
at any moment neither loses a record nor sends one twice. A record is sent once for each model, even
if it is extracted again: several releases of a noisy extractor would average its noise out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tiprdc.errors import ConfigError
from tiprdc.formats.feature_batch import batch_id
from tiprdc.formats.user_state import user_state

_TABLES = """
CREATE TABLE IF NOT EXISTS identity (contributor TEXT NOT NULL, key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    model TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (model, id)
) WITHOUT ROWID;
"""
_BUSY_SECONDS = 60
_ID_DIGITS = 32


def state_folder(url: str) -> Path:
    """Where this user keeps what it knows of a collector."""
    return user_state() / "collectors" / hashlib.sha256(url.encode()).hexdigest()[:32]


class Outbox:
    """Batches of one contributor for one collector; close it after use.

    Args:
        folder: Made if it is absent; only its owner may read it.

    Raises:
        ConfigError: The folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "outbox.db"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_TABLES)
            self.contributor, self._key = self._identity()
        except (OSError, sqlite3.Error) as error:
            given = f"cannot be used ({type(error).__name__})"
            raise ConfigError(str(folder), given, hint="name another folder with --state") from None

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def record_ids(self, names: Sequence[str]) -> list[str]:
        """Ids of records: keyed hashes of their names, 32 hex digits; the key stays here."""
        return [
            hmac.new(self._key, name.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[
                :_ID_DIGITS
            ]
            for name in names
        ]

    def is_new(self, model: str, ids: Sequence[str]) -> list[bool]:
        """Whether each record was in no batch of this model yet."""
        find = "SELECT 1 FROM records WHERE model = ? AND id = ?"
        return [self._db.execute(find, (model, id_)).fetchone() is None for id_ in ids]

    def put(self, model: str, ids: Sequence[str], body: bytes) -> None:
        """Keep a batch until it is sent, and remember its records for good."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO batches VALUES (?, ?)", (batch_id(body), body))
            rows = [(model, id_) for id_ in ids]
            self._db.executemany("INSERT INTO records VALUES (?, ?)", rows)

    def waiting(self) -> Iterator[tuple[str, bytes]]:
        """Id and body of each batch that is not sent, one at a time."""
        for (id_,) in self._db.execute("SELECT id FROM batches ORDER BY rowid").fetchall():
            row = self._db.execute("SELECT body FROM batches WHERE id = ?", (id_,)).fetchone()
            # Another process may have sent it.
            if row is not None:
                yield id_, row[0]

    def count(self) -> int:
        """Number of batches that are not sent."""
        return int(self._db.execute("SELECT count(*) FROM batches").fetchone()[0])

    def drop(self, id_: str) -> None:
        """Forget the body of a batch that was acknowledged."""
        self._db.execute("DELETE FROM batches WHERE id = ?", (id_,))

    def forget(self) -> None:
        """Delete everything, the contributor too: the next batch is of a new one."""
        with self._transaction():
            for table in ("batches", "records", "identity"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names

    def _identity(self) -> tuple[str, bytes]:
        with self._transaction():
            row = self._db.execute("SELECT contributor, key FROM identity").fetchone()
            if row is None:
                row = (secrets.token_hex(32), secrets.token_bytes(32))
                self._db.execute("INSERT INTO identity VALUES (?, ?)", row)
        contributor, key = row
        return contributor, key

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
