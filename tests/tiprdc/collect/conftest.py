"""A collector in a process of its own, and requests to it."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from benchmarks.collector.batches import encode
from benchmarks.collector.server import running
from tiprdc.collect.database import opened
from tiprdc.collect.store import Store
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import batch_id


@dataclass(frozen=True)
class Served:
    """A collector, a token, its database and its standard error."""

    url: str
    token: str
    engine: Engine
    log: Path

    @property
    def store(self) -> Store:
        return Store(self.engine)

    def stored(self) -> int:
        """Number of batches in the database."""
        return self.store.counts()[0]

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded JSON and headers of an answer."""
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), dict(error.headers)

    def put(self, batch: object, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Send a batch under its id."""
        body = batch if isinstance(batch, bytes) else encode(batch)
        return self.request("PUT", f"/v1/batches/{batch_id(body)}", body, **headers)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            return str(answer.read().decode())


@contextmanager
def serving(database: str, log: Path, *options: str) -> Iterator[Served]:
    """Run a collector with one token."""
    with opened(database) as engine:
        token = Tokens(engine).issue(secrets.token_hex(8))
        with running(database, log, *options) as url:
            yield Served(url, token, engine, log)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One collector for all tests of a file."""
    folder = tmp_path_factory.mktemp("collector")
    with serving(f"sqlite:///{folder / 'features.db'}", folder / "stderr") as served:
        yield served
