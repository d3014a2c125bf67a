"""The same collector on a real PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from benchmarks.collector.batches import BAD, document, encode
from benchmarks.collector.postgres import Postgres, is_installed, postgres
from benchmarks.collector.server import RELEASE
from tests.tiprdc.collect.conftest import Served, serving
from tiprdc.collect.batch_check import check_batch
from tiprdc.collect.export import export
from tiprdc.collect.store import Outcome
from tiprdc.errors import ConfigError
from tiprdc.formats.feature_batch import batch_id, public_name

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="no postgres: apt-get install postgresql"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def collector(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(server.url, tmp_path_factory.mktemp("collector") / "stderr") as served:
        yield served


def test_batches_are_stored_once_exported_and_deleted(collector: Served, tmp_path: Path) -> None:
    contributor = secrets.token_hex(32)
    batches = [document(contributor=contributor) for _ in range(3)]
    assert [collector.put(batch)[0] for batch in batches * 2] == [201] * 3 + [200] * 3
    before = collector.stored()
    records, _ = export(collector.engine, tmp_path / "z.npz")
    assert records == 8 * before
    body = encode({"contributor": contributor})
    assert collector.request("POST", "/v1/deletions", body)[:2] == (200, {"batches": 3})
    assert collector.put(batches[0])[0] == 410
    assert collector.stored() == before - 3


def test_no_bad_batch_is_accepted(collector: Served) -> None:
    before = collector.stored()
    for kind, (status, change) in BAD.items():
        assert collector.put(change(document()))[0] == status, kind
    assert collector.stored() == before
    assert collector.log.read_text() == ""


def test_parallel_copies_of_a_batch_are_stored_once(collector: Served) -> None:
    before, body = collector.stored(), encode(document())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [answer[0] for answer in pool.map(collector.put, [body] * 16)]
    assert sorted(statuses) == [200] * 15 + [201]
    assert collector.stored() == before + 1


def test_deletion_beside_a_batch_leaves_nothing(collector: Served) -> None:
    """Whichever of the two transactions is first."""
    store, before = collector.store, collector.stored()
    for _ in range(20):
        contributor = secrets.token_hex(32)
        body = encode(document(contributor=contributor))
        batch = check_batch(body, batch_id(body), RELEASE)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            added = pool.submit(store.add, batch_id(body), batch)
            pool.submit(store.delete, public_name(contributor)).result()
            assert added.result() in (Outcome.STORED, Outcome.DELETED)
    assert collector.stored() == before


def test_database_that_is_away_is_told_and_comes_back(collector: Served, server: Postgres) -> None:
    server.stop("immediate")
    try:
        status, answer, headers = collector.put(document())
        assert (status, answer) == (503, {"detail": "the database does not answer"})
        assert int(headers["retry-after"]) > 0
    finally:
        server.start()
    assert collector.put(document())[0] == 201


def test_database_of_another_version_is_refused(collector: Served) -> None:
    with pytest.raises(ConfigError, match=r"extractor@v1\.0\.0, not for"):
        collector.store.claim(structs.replace(RELEASE, version="v2.0.0"))
