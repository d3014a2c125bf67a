"""A search resumes from a whole state only, and is complete only with all its trials."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from ray import tune as ray_tune

from pipelines import tuning
from pipelines.cluster.connect import ClusterConfig
from pipelines.search import ray_search
from pipelines.search.space import TuneConfig
from pipelines.search.state import damaged_file, is_finished, is_started, mark_finished
from pipelines.training.storage import Storage
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ClusterError
from tiprdc.training.config import TrainConfig

SEARCH = "tune-0"
STAMP = "2026-11-29_16-44-32"
SAMPLED = {
    "tuner.pkl": pickle.dumps({"a": list(range(99))}),
    f"experiment_state-{STAMP}.json": json.dumps({"trials": list(range(99))}).encode(),
    # As Tune writes it: a pickle.
    f"search_gen_state-{STAMP}.json": pickle.dumps({"seed": 0, "b": "c" * 99}),
    f"searcher-state-{STAMP}.pkl": pickle.dumps([b"." * 500, "." * 500]),
}
GRID = {
    **{name: SAMPLED[name] for name in list(SAMPLED)[:2]},
    f"basic-variant-state-{STAMP}.json": pickle.dumps({"number": 4}),
}


def storage_with(folder: Path, files: dict[str, bytes]) -> Storage:
    (folder / SEARCH / "a trial").mkdir(parents=True)
    for name, data in files.items():
        (folder / SEARCH / name).write_bytes(data)
    return Storage(str(folder))


@pytest.mark.parametrize(("files", "sampled"), [(SAMPLED, True), (GRID, False)])
def test_whole_state_can_resume(tmp_path: Path, files: dict[str, bytes], sampled: bool) -> None:
    storage = storage_with(tmp_path, files)
    assert is_started(storage, SEARCH)
    assert damaged_file(storage, SEARCH, sampled=sampled) is None


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "last byte": lambda data: data[:-1],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("files", "name"), [*((SAMPLED, n) for n in SAMPLED), *((GRID, n) for n in GRID)]
)
def test_file_that_is_cut_off_is_named(
    tmp_path: Path, files: dict[str, bytes], name: str, cut: str
) -> None:
    storage = storage_with(tmp_path, {**files, name: CUTS[cut](files[name])})
    assert damaged_file(storage, SEARCH, sampled=files is SAMPLED) == name


@pytest.mark.parametrize("name", list(SAMPLED)[2:])
def test_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    """Tune would go on with a new sampler and count the trials that the old one made."""
    files = {key: data for key, data in SAMPLED.items() if key != name}
    missing = damaged_file(storage_with(tmp_path, files), SEARCH, sampled=True)
    assert missing == name.replace(STAMP, "*")


@pytest.mark.parametrize("name", list(SAMPLED)[:2])
def test_search_without_a_snapshot_has_not_started(tmp_path: Path, name: str) -> None:
    files = {key: data for key, data in SAMPLED.items() if key != name}
    assert not is_started(storage_with(tmp_path, files), SEARCH)
    assert not is_started(Storage(str(tmp_path)), "tune-1")


def test_file_of_an_earlier_session_is_looked_at_too(tmp_path: Path) -> None:
    """Tune takes the newest by the clock of the machine that wrote it."""
    old = "searcher-state-2026-11-28_00-00-00.pkl"
    storage = storage_with(tmp_path, {**SAMPLED, old: b"\x80"})
    assert damaged_file(storage, SEARCH, sampled=True) == old


@pytest.mark.parametrize("made", [0, 5, 39])
def test_search_with_fewer_trials_than_asked_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: int
) -> None:
    class Tuner:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def fit(self) -> Sequence[Any]:
            return [SimpleNamespace(metrics={}, error=None)] * made

    monkeypatch.setattr(ray_tune, "Tuner", Tuner)
    monkeypatch.setattr(ray_search, "max_parallel", lambda demand: 1)
    search: Any = object.__new__(ray_search.RaySearch)
    monitor = SimpleNamespace(log_event=lambda *_, **__: True)
    search.storage, search.trainable, search.demand = Storage(str(tmp_path)), None, {}
    search.table, search.callback = SimpleNamespace(monitor=monitor), None
    with pytest.raises(ClusterError, match=f"ended after {made} of 40 trials") as raised:
        search._fit(SEARCH, ray_tune.TuneConfig(), {}, 40)
    assert f"delete {tmp_path}/{SEARCH}" in raised.value.hint
    assert search._fit(SEARCH, ray_tune.TuneConfig(), {}, made).empty


class StartedError(Exception):
    """The search starts Ray."""


@pytest.mark.parametrize(
    ("changes", "options", "starts"),
    [
        ({}, {}, False),
        ({}, {"resume": False}, True),
        ({"trials": 3}, {}, True),
        ({"budget": (0.1, 0.2)}, {}, True),
    ],
)
def test_finished_search_is_not_repeated_unless_asked_or_changed(
    changes: dict[str, Any], options: dict[str, Any], starts: bool, tmp_path: Path,
    make_shards: Callable[..., Schema], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def connect(_: Any) -> None:
        raise StartedError

    schema = make_shards(tmp_path / "shards", "table", people=80)
    config, base = TuneConfig(trials=2, features=(8,)), TrainConfig()
    cluster = ClusterConfig(storage=str(tmp_path / "runs"), log="")
    out = tmp_path / "out"
    out.mkdir()
    mark_finished(out, tuning._search_name(config, base, schema))
    (out / "front.html").write_text("results")
    monkeypatch.setattr(tuning, "connect", connect)
    expected = pytest.raises(StartedError) if starts else nullcontext()
    with expected:
        tuning.tune(
            structs.replace(config, **changes), base, cluster,
            shards=tmp_path / "shards", out=out, **options,
        )  # fmt: skip
    assert (out / "front.html").read_text() == "results"
    assert ("this search is finished" in capsys.readouterr().err) is not starts


def test_results_of_another_search_are_not_taken_for_this_one(tmp_path: Path) -> None:
    assert not is_finished(tmp_path, SEARCH)
    mark_finished(tmp_path, SEARCH)
    assert is_finished(tmp_path, SEARCH)
    assert not is_finished(tmp_path, f"{SEARCH}0")
