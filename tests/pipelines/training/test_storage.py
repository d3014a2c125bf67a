"""Storage that is full, gone or damaged: recovery of the checkpoints that are left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import ray.train
from pyarrow.fs import FileSystem, copy_files

from pipelines.training import checkpoints, storage
from pipelines.training.checkpoints import checkpoint_writer
from pipelines.training.ray_private import checkpoint_list_name
from pipelines.training.storage import Storage
from tests.helpers.s3_server import s3_server
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ClusterError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

MakeShards = Callable[..., Schema]
OLD, NEW = "checkpoint_2026-01-01_00-00-00.000001", "checkpoint_2026-01-01_00-00-09.000001"


@pytest.fixture
def trainer(tmp_path: Path, make_shards: MakeShards) -> Trainer:
    schema = make_shards(tmp_path / "shards", "table")
    game, extractor = ObjectiveConfig(memory=8), ExtractorConfig(width=8, features=4)
    return Trainer(game, extractor, ScheduleConfig(), InputSpec.of(schema), {"secret": 2}, seed=0)


@pytest.fixture
def runs(tmp_path: Path, trainer: Trainer) -> Path:
    """A run with two checkpoints and Ray's list of them."""
    folder = tmp_path / "runs"
    for name in (OLD, NEW):
        checkpoint.save(trainer, folder / "run" / name)
    entries = {"checkpoint_results": [{"checkpoint_dir_name": name} for name in (OLD, NEW)]}
    (folder / "run" / checkpoint_list_name()).write_text(json.dumps(entries))
    return folder


def test_intact_checkpoint_list_is_kept(runs: Path) -> None:
    assert Storage(str(runs)).recover("run") is None
    assert (runs / "run" / checkpoint_list_name()).exists()


@pytest.mark.parametrize("damage", ["", '{"checkpoint_results": [{"checkp', "[]", "null"])
def test_newest_checkpoint_is_recovered_from_a_damaged_list(runs: Path, damage: str) -> None:
    (runs / "run" / checkpoint_list_name()).write_text(damage)
    newest = Storage(str(runs)).recover("run")
    assert newest is not None
    assert Path(newest.path).name == NEW
    assert not (runs / "run" / checkpoint_list_name()).exists()


@pytest.mark.parametrize(
    "torn", ["checkpoint.json", "networks.safetensors", "optimiser.safetensors"]
)
def test_incomplete_checkpoint_is_skipped(runs: Path, torn: str) -> None:
    (runs / "run" / checkpoint_list_name()).unlink()
    file = runs / "run" / NEW / torn
    file.write_bytes(file.read_bytes()[:-3])
    newest = Storage(str(runs)).recover("run")
    assert newest is not None
    assert Path(newest.path).name == OLD


def test_list_with_a_missing_checkpoint_is_damaged(runs: Path) -> None:
    checkpoint_files = runs / "run" / NEW
    for file in checkpoint_files.iterdir():
        file.unlink()
    checkpoint_files.rmdir()
    newest = Storage(str(runs)).recover("run")
    assert newest is not None
    assert Path(newest.path).name == OLD


def test_empty_storage_recovers_nothing(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).recover("run") is None


def test_path_of_a_run_in_a_folder_or_uri(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).of("run") == str(tmp_path / "run")
    inside = Storage("mock://bucket/runs?a=1")
    assert inside.of("run") == "mock://bucket/runs/run?a=1"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3_server(monkeypatch) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        boto3.resource("s3").create_bucket(Bucket="bucket")
        yield "s3://bucket/runs"


# Warnings of botocore and Flask are theirs.
@pytest.mark.filterwarnings("default")
def test_s3_works_as_storage(runs: Path, bucket: str) -> None:
    runs_storage = Storage(bucket)
    assert not runs_storage.exists("run")
    assert not runs_storage.wait_until_writable("run", 0)
    copy_files(str(runs), "bucket/runs", destination_filesystem=FileSystem.from_uri(bucket)[0])
    assert runs_storage.wait_until_writable("run", 0)
    assert runs_storage.recover("run") is None
    FileSystem.from_uri(bucket)[0].delete_file(f"bucket/runs/run/{checkpoint_list_name()}")
    newest = runs_storage.recover("run")
    assert newest is not None
    assert newest.path == f"bucket/runs/run/{NEW}"
    runs_storage.forget("run")
    assert not runs_storage.exists("run")
    runs_storage.forget("run")


def test_run_can_be_forgotten_twice(runs: Path) -> None:
    runs_storage = Storage(str(runs))
    assert runs_storage.exists("run")
    runs_storage.forget("run")
    assert not runs_storage.exists("run")
    runs_storage.forget("run")


def test_unknown_kind_of_uri_is_refused() -> None:
    with pytest.raises(
        ClusterError, match=r"cluster.storage: nosuch://runs: .*\n  expected: a fold"
    ):
        Storage("nosuch://runs")


def test_wait_ends_when_storage_returns(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_storage = Storage(str(runs))
    assert runs_storage.wait_until_writable("run", 0)
    away = runs.rename(runs.with_name("away"))
    assert not runs_storage.wait_until_writable("run", 0)
    monkeypatch.setattr(storage.time, "sleep", lambda _: away.rename(runs))
    assert runs_storage.wait_until_writable("run", 60)
    assert not list((runs / "run").glob("*probe*"))


class _Events:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, event: str, epoch: float, **fields: Any) -> None:
        self.sent.append((event, fields))


def _write(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, patience: float, failures: list[Exception]
) -> list[tuple[str, dict[str, Any]]]:
    """The events of a checkpoint's upload to storage that raises these failures, last one first."""
    events = _Events()

    def persist(local: ray.train.Checkpoint, name: str) -> ray.train.Checkpoint:
        if failures:
            raise failures.pop()
        return local

    class Context:
        def get_storage(self) -> Any:
            return type("Ours", (), {"persist_current_checkpoint": staticmethod(persist)})

    def report(metrics: Any, checkpoint: Any, checkpoint_upload_fn: Any) -> None:
        with checkpoint_upload_fn(checkpoint, "name").as_directory() as folder:
            assert {p.name for p in Path(folder).iterdir()} >= {"checkpoint.json"}

    monkeypatch.setattr(checkpoints.ray.train, "get_context", Context)
    monkeypatch.setattr(checkpoints.ray.train, "report", report)
    monkeypatch.setattr(checkpoints.time, "sleep", lambda _: None)
    checkpoint_writer(trainer, events, patience)({})  # type: ignore[arg-type]  # sends, too
    return events.sent


def test_worker_waits_while_storage_is_full_or_gone(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(28, "No space left on device"), RuntimeError("Unable to set up")]
    events = _write(trainer, monkeypatch, 60, failures)
    assert [(event, fields["error"]) for event, fields in events] == [
        ("waiting", "not reachable from this machine"), ("waiting", "No space left on device"),
    ]  # fmt: skip


def test_worker_gives_up_after_its_patience(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClusterError, match="no checkpoint could be written for 0 s: not reachable"):
        _write(trainer, monkeypatch, 0, [RuntimeError("Unable to set up")])
    with pytest.raises(OSError, match="No space left"):
        _write(trainer, monkeypatch, 0, [OSError(28, "No space left on device")])
