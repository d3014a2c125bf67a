"""Storage that is full, gone or damaged: what is still there is found."""

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
from pipelines.training.checkpoints import writer
from pipelines.training.storage import Storage
from tests.helpers.s3_server import served
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
    """A run with two checkpoints, which Ray's list names."""
    folder = tmp_path / "runs"
    for name in (OLD, NEW):
        checkpoint.save(trainer, folder / "run" / name)
    named = {"checkpoint_results": [{"checkpoint_dir_name": name} for name in (OLD, NEW)]}
    (folder / "run" / storage.LIST).write_text(json.dumps(named))
    return folder


def test_a_sound_list_is_left_to_ray(runs: Path) -> None:
    assert Storage(str(runs)).recover("run") is None
    assert (runs / "run" / storage.LIST).exists()


@pytest.mark.parametrize("damage", ["", '{"checkpoint_results": [{"checkp', "[]", "null"])
def test_the_newest_checkpoint_is_found_where_the_list_is_damaged(runs: Path, damage: str) -> None:
    (runs / "run" / storage.LIST).write_text(damage)
    found = Storage(str(runs)).recover("run")
    assert found is not None
    assert Path(found.path).name == NEW
    assert not (runs / "run" / storage.LIST).exists()


@pytest.mark.parametrize(
    "torn", ["checkpoint.json", "networks.safetensors", "optimiser.safetensors"]
)
def test_a_torn_checkpoint_is_passed_over(runs: Path, torn: str) -> None:
    (runs / "run" / storage.LIST).unlink()
    file = runs / "run" / NEW / torn
    file.write_bytes(file.read_bytes()[:-3])
    found = Storage(str(runs)).recover("run")
    assert found is not None
    assert Path(found.path).name == OLD


def test_a_list_that_names_a_checkpoint_which_is_gone_is_not_sound(runs: Path) -> None:
    checkpoint_files = runs / "run" / NEW
    for file in checkpoint_files.iterdir():
        file.unlink()
    checkpoint_files.rmdir()
    found = Storage(str(runs)).recover("run")
    assert found is not None
    assert Path(found.path).name == OLD


def test_nothing_is_recovered_from_nothing(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).recover("run") is None


def test_a_run_is_named_within_a_folder_or_a_uri(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).of("run") == str(tmp_path / "run")
    inside = Storage("mock://bucket/runs?a=1")
    assert inside.of("run") == "mock://bucket/runs/run?a=1"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with served(monkeypatch) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        boto3.resource("s3").create_bucket(Bucket="bucket")
        yield "s3://bucket/runs"


# Warnings of botocore and Flask are theirs.
@pytest.mark.filterwarnings("default")
def test_s3_is_storage_too(runs: Path, bucket: str) -> None:
    kept = Storage(bucket)
    assert not kept.exists("run")
    assert not kept.wait_until_writable("run", 0)
    copy_files(str(runs), "bucket/runs", destination_filesystem=FileSystem.from_uri(bucket)[0])
    assert kept.wait_until_writable("run", 0)
    assert kept.recover("run") is None
    FileSystem.from_uri(bucket)[0].delete_file(f"bucket/runs/run/{storage.LIST}")
    found = kept.recover("run")
    assert found is not None
    assert found.path == f"bucket/runs/run/{NEW}"
    kept.forget("run")
    assert not kept.exists("run")
    kept.forget("run")


def test_a_run_is_forgotten_once_and_twice(runs: Path) -> None:
    kept = Storage(str(runs))
    assert kept.exists("run")
    kept.forget("run")
    assert not kept.exists("run")
    kept.forget("run")


def test_another_kind_of_uri_is_refused() -> None:
    with pytest.raises(
        ClusterError, match=r"cluster.storage: nosuch://runs: .*\n  expected: a fold"
    ):
        Storage("nosuch://runs")


def test_storage_comes_back_or_not(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Storage(str(runs))
    assert kept.wait_until_writable("run", 0)
    away = runs.rename(runs.with_name("away"))
    assert not kept.wait_until_writable("run", 0)
    monkeypatch.setattr(storage.time, "sleep", lambda _: away.rename(runs))
    assert kept.wait_until_writable("run", 60)
    assert not list((runs / "run").glob("*probe*"))


class _Heard:
    def __init__(self) -> None:
        self.report_epoch: list[tuple[str, dict[str, Any]]] = []

    def tell(self, event: str, epoch: float, **fields: Any) -> None:
        self.report_epoch.append((event, fields))


def _write(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, patience: float, failures: list[Exception]
) -> list[tuple[str, dict[str, Any]]]:
    """What is told while a checkpoint is written to storage that fails so often."""
    heard = _Heard()

    def persist(made: ray.train.Checkpoint, name: str) -> ray.train.Checkpoint:
        if failures:
            raise failures.pop()
        return made

    class Context:
        def get_storage(self) -> Any:
            return type("Ours", (), {"persist_current_checkpoint": staticmethod(persist)})

    def report(metrics: Any, checkpoint: Any, checkpoint_upload_fn: Any) -> None:
        with checkpoint_upload_fn(checkpoint, "name").as_directory() as folder:
            assert {p.name for p in Path(folder).iterdir()} >= {"checkpoint.json"}

    monkeypatch.setattr(checkpoints.ray.train, "get_context", Context)
    monkeypatch.setattr(checkpoints.ray.train, "report", report)
    monkeypatch.setattr(checkpoints.time, "sleep", lambda _: None)
    writer(trainer, heard, patience)({})  # type: ignore[arg-type]  # hears, too
    return heard.report_epoch


def test_a_worker_waits_for_storage_that_is_full_or_gone(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(28, "No space left on device"), RuntimeError("Unable to set up")]
    told = _write(trainer, monkeypatch, 60, failures)
    assert [(event, fields["error"]) for event, fields in told] == [
        ("waiting", "this machine does not see it"), ("waiting", "No space left on device"),
    ]  # fmt: skip


def test_a_worker_gives_up_after_so_long(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError, match="no checkpoint could be written for 0 s: this machine"):
        _write(trainer, monkeypatch, 0, [RuntimeError("Unable to set up")])
    with pytest.raises(OSError, match="No space left"):
        _write(trainer, monkeypatch, 0, [OSError(28, "No space left on device")])
