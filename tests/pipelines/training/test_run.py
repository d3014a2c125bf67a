"""Both extractors through Ray Train: in parallel, resumed, and with bad input."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec import structs
from ruamel.yaml import YAML

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.event_log import read
from pipelines.training import run
from pipelines.training.run import train
from pipelines.training.storage import Storage
from tiprdc.datasets.schema import Schema, read_split, write_shard
from tiprdc.errors import ConfigError, DataError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training import checkpoint, code
from tiprdc.training.config import TrainConfig
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.worker import WorkerContext

ROOT = Path(__file__).parents[3]
MakeShards = Callable[..., Schema]
CONFIG = TrainConfig(
    extractor=ExtractorConfig(width=8, features=4),
    schedule=ScheduleConfig(epochs=2, batch=32, warm_up=0.0),
)
WITH_HEAD = structs.replace(
    CONFIG,
    extractor=ExtractorConfig(width=8, features=4, head=16, release_noise=0.2),
    head=HeadConfig(epochs=1, batch=32),
)


def _paths(folder: Path) -> dict[str, Any]:
    return {"shards": folder / "shards", "out": folder / "ck", "curves": folder / "curves"}


@pytest.mark.slow
@pytest.mark.ray
def test_two_workers_train_both_extractors(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    make_shards(tmp_path / "shards", "table")
    cluster = ClusterConfig(
        storage=str(tmp_path / "runs"), workers=(1, 2), shards="streamed",
        log=str(tmp_path / "logs"), metrics_folder=str(tmp_path / "prom"),
    )  # fmt: skip
    train(WITH_HEAD, cluster, **_paths(tmp_path))
    curves = pd.concat([pd.read_csv(tmp_path / "curves" / f"{role}.csv") for role in run.ROLES])
    assert curves.groupby("run")["epoch"].apply(list).to_dict() == {
        "protected": [1, 2, 3], "unprotected": [1, 2],
    }  # fmt: skip
    assert {"mutual_information", "explained_variance", "certainty"} <= set(curves.columns)
    of_head = curves[(curves["run"] == "protected") & (curves["epoch"] == 3)]
    assert of_head["mutual_information"].isna().all()
    assert of_head["kept"].notna().all()
    assert np.isfinite(curves["club_secret"]).all()
    events = [(line["event"], line.get("run", "").split("-")[0], line.get("number"))
              for line in read(tmp_path / "logs" / "train.jsonl")]  # fmt: skip
    for role in run.ROLES:
        assert checkpoint.load_extractor(tmp_path / "ck" / role).config.features == 4
        of_role = [event for event in events if event[1] == role]
        epochs = WITH_HEAD.epochs(role)
        assert epochs == (3 if role == "protected" else 2)
        assert of_role[0] == ("started", role, None)
        assert of_role[1:] == [
            (event, role, number)
            for number in range(1, epochs + 1)
            for event in ("epoch", "checkpoint")
        ]
    prom = (tmp_path / "prom" / "tiprdc_train.prom").read_text()
    assert 'tiprdc_train_epoch{run="protected"} 3.0' in prom
    assert 'tiprdc_train_epochs{run="unprotected"} 2.0' in prom
    assert 'tiprdc_train_head_kept_ratio{run="protected"}' in prom
    assert 'tiprdc_train_club_nats{attribute="secret",run="unprotected"}' in prom
    assert 'tiprdc_stage_running{stage="train"} 0.0' in prom
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
@pytest.mark.ray
def test_killed_run_resumes_after_its_last_epoch(
    tmp_path: Path, make_shards: MakeShards, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path / "shards", "table")
    cluster = ClusterConfig(storage=str(tmp_path / "runs"), log=str(tmp_path / "logs"))
    # The storage of a run that was killed after its first epoch.
    short = structs.replace(CONFIG, schedule=structs.replace(CONFIG.schedule, epochs=1))
    monkeypatch.setattr(Storage, "forget", lambda *_: None)
    train(short, cluster, **_paths(tmp_path), roles=["protected"])
    monkeypatch.undo()
    (left,) = (tmp_path / "runs").iterdir()
    schema = run.read_schema(tmp_path / "shards")
    name = run._settings(CONFIG, "protected", tmp_path / "shards", schema)["name"]
    shutil.move(left, tmp_path / "runs" / name)

    train(CONFIG, cluster, **_paths(tmp_path), roles=["protected"])
    first = checkpoint.history(tmp_path / "ck" / "protected")
    assert [epoch["epoch"] for epoch in first] == [1, 2]
    # The first epoch, from the checkpoint under the new name, and the second: each once.
    lines = [line for line in read(tmp_path / "logs" / "train.jsonl") if line.get("run") == name]
    assert [line["number"] for line in lines if line["event"] == "epoch"] == [1, 2]
    assert [line["resumed"] for line in lines if line["event"] == "started"] == [True]


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_worker_diagnoses_each_epoch(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    """A worker's part in this process, without Ray and without other workers."""
    schema = make_shards(tmp_path, "table")
    written: list[dict[str, float]] = []
    to_ray: list[dict[str, float]] = []
    monkeypatch.setattr(run.ray.train, "get_checkpoint", lambda: None)
    monkeypatch.setattr(run, "worker_context", lambda: WorkerContext(rank=rank))
    monkeypatch.setattr(
        run, "checkpoint_writer", lambda *_: lambda losses: written.append(dict(losses))
    )
    monkeypatch.setattr(run.StepMetrics, "_set_in_ray", lambda _, figures: to_ray.append(figures))
    wire: queue.Queue[Any] = queue.Queue()
    settings = run._settings(CONFIG, "protected", tmp_path, schema)
    shared = {
        "schema": schema,
        "queue": wire,
        "patience": 1.0,
        "remote_records": None,
        "recovered": None,
        "checkpoint_every": 1,
    }
    run._train_worker({**settings, **shared})
    assert [losses["epoch"] for losses in written] == [1, 2]
    estimates = [losses["club_secret"] for losses in written if "club_secret" in losses]
    assert len(estimates) == (0 if rank else 2)
    # On a slow machine step metrics come in between.
    clubs = [figures for figures in to_ray if "train_club_nats/secret" in figures]
    assert clubs == [{"train_club_nats/secret": value} for value in estimates]
    sent = [event["summary"] for event in wire.queue if event["event"] == "epoch"]
    assert [summary["club_secret"] for summary in sent] == estimates


def test_run_name_changes_with_settings_and_data(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table")

    def name(config: TrainConfig, schema: Schema = schema) -> str:
        return str(run._settings(config, "protected", tmp_path, schema)["name"])

    same = name(CONFIG)
    assert name(structs.replace(CONFIG, seed=1)) != same
    assert name(CONFIG, replace(schema, digest="other")) != same


@pytest.mark.parametrize(
    ("changes", "trained_again"),
    [
        ({"budget": 0.2}, False),
        ({"budget_step": 0.1, "refit_every": 3}, False),
        ({"kernel_adversary": 1.0, "adversaries": 1, "adversary_steps": 3}, False),
        ({"privacy_weight": 0.3, "weights": {"secret": 2.0}, "reconstruction": 1.0}, False),
        ({"mi_estimator": "jsd"}, True),
        ({"negatives": 3}, True),
        ({"noise": 0.5}, True),
    ],
)
def test_search_of_hiding_does_not_train_unprotected_extractor_again(
    tmp_path: Path, make_shards: MakeShards, changes: dict[str, Any], trained_again: bool
) -> None:
    schema = make_shards(tmp_path, "table")
    changed = structs.replace(CONFIG, objective=structs.replace(CONFIG.objective, **changes))
    first, second = (
        run._settings(config, "unprotected", tmp_path, schema) for config in (CONFIG, changed)
    )
    assert (first["name"] != second["name"]) == trained_again
    stated = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["train-unprotected"]["params"]
    assert all((f"train.objective.{key}" in stated) == trained_again for key in changes)


@pytest.mark.parametrize(
    "file", ["attacks/kernel.py", "attacks/cross_fitting.py", "training/game.py", "distributed.py"]
)
def test_code_digest_changes_with_code_that_decides_results(tmp_path: Path, file: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(code.PROJECT / "tiprdc", tmp_path / "tiprdc", ignore=ignored)
    before = code.code_digest(project=tmp_path)
    assert before == code.code_digest()
    for other in ("audit/run.py", "cli/progress.py"):
        (tmp_path / "tiprdc" / other).write_text("# edited\n")
    assert code.code_digest(project=tmp_path) == before
    with (tmp_path / "tiprdc" / file).open("a") as stream:
        stream.write("\n# edited\n")
    assert code.code_digest(project=tmp_path) != before


def test_weight_of_a_non_private_attribute_is_refused(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path / "shards", "table")
    config = structs.replace(CONFIG, objective=ObjectiveConfig(weights={"task": 2.0}))
    with pytest.raises(DataError, match=r"train.objective.weights.task: not a private attribute"):
        train(config, ClusterConfig(log=""), **_paths(tmp_path))


def test_too_few_records_for_the_workers_are_refused(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path / "shards", "table")
    with pytest.raises(DataError, match="80 records for 11 workers"):
        train(CONFIG, ClusterConfig(workers=11, log=""), **_paths(tmp_path))


def test_unprotected_extractor_has_no_leace_layer(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table")
    config = structs.replace(CONFIG, extractor=structs.replace(CONFIG.extractor, leace=True))
    for role in run.ROLES:
        settings = run._settings(config, role, tmp_path, schema)
        assert settings["extractor"]["leace"] == (role == "protected")


def test_unprotected_extractor_has_no_bottleneck(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table")
    config = structs.replace(
        CONFIG, objective=ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0)
    )
    for role in run.ROLES:
        settings = run._settings(config, role, tmp_path, schema)
        assert bool(settings["objective"]["bottleneck"]) == (role == "protected")


def test_release_noise_with_bottleneck_is_refused() -> None:
    noisy = structs.replace(CONFIG.extractor, release_noise=0.5)
    with pytest.raises(ConfigError, match=r"release_noise: 0.5 with a bottleneck"):
        TrainConfig(extractor=noisy, objective=ObjectiveConfig(bottleneck=0.3))


def _correlated_shards(folder: Path, schema: Schema) -> None:
    """The task of extractor-train is the secret, but for one person in ten."""
    records = read_split(folder, schema, "extractor-train")
    task = np.where(np.arange(len(records)) % 10 == 0, 1, 0) ^ records.labels["secret"]
    labels = {**records.labels, "task": task}
    write_shard(folder / "extractor-train" / "part-00000.parquet", replace(records, labels=labels))


def test_infeasible_labels_are_warned_of_or_refused(
    tmp_path: Path, make_shards: MakeShards, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = tmp_path / "shards"
    schema = make_shards(shards, "table", people=400)
    run.check_labels(CONFIG, shards, schema)
    assert capsys.readouterr().err == ""
    _correlated_shards(shards, schema)
    run.check_labels(CONFIG, shards, schema)
    output = capsys.readouterr().err
    assert output.startswith("warning: hiding secret and keeping task whole cannot both be met")
    strict = structs.replace(CONFIG, infeasible="refuse")
    with pytest.raises(
        DataError, match=r"cannot both be met: .*\n  expected: .*train.objective.budget \(0.06\)"
    ):
        train(strict, ClusterConfig(log=""), **_paths(tmp_path))
    generous = structs.replace(strict, objective=structs.replace(strict.objective, budget=0.5))
    run.check_labels(generous, shards, schema)
