"""Features of a device reach a real collector: all of them, once, whatever happens on the way."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from sqlalchemy.engine import Engine

from benchmarks.collector.server import FEATURES, RELEASE, running
from tiprdc.collect.batch_check import check_batch
from tiprdc.collect.database import opened
from tiprdc.collect.export import export
from tiprdc.collect.store import Store
from tiprdc.collect.tokens import Tokens
from tiprdc.errors import ConfigError
from tiprdc.formats.feature_batch import MOST_RECORDS, public_name
from tiprdc.runtime.feature_files import read_features, write_features
from tiprdc.runtime.http_client import HttpClient
from tiprdc.runtime.outbox import Outbox
from tiprdc.runtime.sending import forget, queue, send, write_ids

DIGEST = RELEASE.model_sha256


class Device:
    """Its state, a token, and the database of the collector that it sends to."""

    def __init__(self, url: str, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.client = HttpClient(url, Tokens(self.engine).issue(folder.name), wait=_no_wait)
        self.outbox = Outbox(folder)

    def features(self, *names: str, seed: int = 0) -> Path:
        """A file of features for these records."""
        z = np.random.default_rng(seed).uniform(-1, 1, (len(names), FEATURES)).astype(np.float32)
        path = self.folder / f"{seed}.npz"
        write_features(path, names, [z], (FEATURES,), DIGEST)
        return path

    def collected(self) -> dict[str, bytes]:
        """Id -> features of this contributor's records at the collector."""
        path, name = self.folder / "all.npz", public_name(self.outbox.contributor)
        export(self.engine, path)
        (rows,) = read_features(path, 10**6)
        pairs = zip(rows.ids, rows.features, strict=True)
        return {id_[65:]: z.tobytes() for id_, z in pairs if id_.startswith(f"{name}/")}


def _no_wait(seconds: float) -> None:
    raise AssertionError(f"it waits for {seconds} s")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Engine]]:
    folder = tmp_path_factory.mktemp("collector")
    database = f"sqlite:///{folder / 'features.db'}"
    with opened(database) as engine, running(database, folder / "stderr") as url:
        yield url, engine


@pytest.fixture
def device(collector: tuple[str, Engine], tmp_path: Path) -> Iterator[Device]:
    sender = Device(*collector, tmp_path)
    with sender.outbox:
        yield sender


def test_all_features_arrive_in_batches(device: Device, tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(2 * MOST_RECORDS + 3)]
    file = device.features(*names)
    assert queue(device.outbox, file, RELEASE) == 0
    result = send(device.outbox, device.client)
    assert (result.sent, result.waiting, result.refusal) == (3, 0, None)
    with np.load(file) as arrays:
        rows = zip(device.outbox.record_ids(names), arrays["features"], strict=True)
        assert device.collected() == {id_: z.tobytes() for id_, z in rows}


def test_record_is_sent_once_however_often_it_is_extracted(device: Device) -> None:
    queue(device.outbox, device.features("a", "b", "a", seed=1), RELEASE)
    send(device.outbox, device.client)
    first = device.collected()
    assert queue(device.outbox, device.features("a", "b", "c", seed=2), RELEASE) == 2
    send(device.outbox, device.client)
    second = device.collected()
    assert (len(first), len(second)) == (2, 3)
    assert first.items() <= second.items()


def test_kill_after_the_answer_stores_nothing_twice(device: Device) -> None:
    queue(device.outbox, device.features("a"), RELEASE)
    ((id_, body),) = device.outbox.waiting()
    assert device.client.send("PUT", f"/v1/batches/{id_}", body).status == 201
    # Killed here: the batch is still in the outbox.
    with Outbox(device.folder) as again:
        result = send(again, device.client)
    assert (result.sent, result.waiting) == (1, 0)
    assert len(device.collected()) == 1


def test_unknown_token_keeps_the_batches(device: Device, collector: tuple[str, Engine]) -> None:
    queue(device.outbox, device.features("a"), RELEASE)
    result = send(device.outbox, HttpClient(collector[0], "0123456789abcdef.x", wait=_no_wait))
    assert result.refusal
    assert (result.sent, result.waiting, result.refusal.status) == (0, 1, 401)
    assert send(device.outbox, device.client).sent == 1


def test_batch_of_another_version_does_not_hold_up_the_others(device: Device) -> None:
    queue(device.outbox, device.features("a"), structs.replace(RELEASE, version="v0.9.0"))
    queue(device.outbox, device.features("b", seed=1), RELEASE)
    result = send(device.outbox, device.client)
    assert result.refusal
    assert (result.sent, result.waiting, result.refusal.status) == (1, 1, 409)
    assert "extractor@v1.0.0" in result.refusal.detail


def test_codes_are_sent_with_the_features(device: Device) -> None:
    release = structs.replace(RELEASE, output=structs.replace(RELEASE.output, codes=3))
    names, codes = [f"{n}" for n in range(5)], np.array([0, 2, 1, 2, 0])
    z = np.random.default_rng(0).uniform(-1, 1, (3, FEATURES)).astype(np.float32)[codes]
    path = device.folder / "coded.npz"
    write_features(path, names, [z], (FEATURES,), DIGEST, codes)
    queue(device.outbox, path, release)
    ((id_, body),) = device.outbox.waiting()
    assert check_batch(body, id_, release).codes == (0, 2, 1, 2, 0)


def test_names_of_records_stay_on_the_device(device: Device) -> None:
    name = "holiday with Alice.jpg"
    queue(device.outbox, device.features(name), RELEASE)
    ((_, body),) = device.outbox.waiting()
    files = [body, *(file.read_bytes() for file in device.folder.glob("outbox.db*"))]
    assert not any(b"Alice" in data for data in files)
    assert device.outbox.record_ids([name]) == device.outbox.record_ids([name])
    with Outbox(device.folder / "another") as other:
        assert other.record_ids([name]) != device.outbox.record_ids([name])
    assert device.folder.joinpath("outbox.db").stat().st_mode & 0o077 == 0


def test_ids_are_listed_for_the_device(device: Device, tmp_path: Path) -> None:
    file = device.features("a", "b")
    queue(device.outbox, file, RELEASE)
    send(device.outbox, device.client)
    write_ids(device.outbox, file, tmp_path / "sent.csv")
    with (tmp_path / "sent.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["record"] for row in rows] == ["a", "b"]
    assert {row["device"] for row in rows} == {public_name(device.outbox.contributor)}
    assert {row["id"] for row in rows} == set(device.collected())


def test_device_that_forgets_starts_anew(device: Device) -> None:
    file, first = device.features("a"), device.outbox.contributor
    queue(device.outbox, file, RELEASE)
    send(device.outbox, device.client)
    assert forget(device.outbox, device.client).is_success
    with Outbox(device.folder) as again:
        assert again.contributor != first
        queue(again, file, RELEASE)
        assert send(again, device.client).sent == 1
    names = {public_name(first), public_name(again.contributor)}
    export(device.engine, device.folder / "all.npz")
    (rows,) = read_features(device.folder / "all.npz", 10**6)
    assert {id_[:64] for id_ in rows.ids} & names == {public_name(again.contributor)}


def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--state"):
        Outbox(tmp_path / "file" / "state")


def test_database_of_another_version_is_refused(tmp_path: Path) -> None:
    another = structs.replace(RELEASE, version="v2.0.0")
    with opened(f"sqlite:///{tmp_path / 'f.db'}") as engine:
        Store(engine).claim(RELEASE)
        Store(engine).claim(RELEASE)
        with pytest.raises(ConfigError, match=r"extractor@v1\.0\.0, not for extractor@v2\.0\.0"):
            Store(engine).claim(another)
