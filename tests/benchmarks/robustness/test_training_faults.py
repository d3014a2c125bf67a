"""Criteria by which `training_faults` accepts a run. Without Ray."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.robustness import training_faults
from benchmarks.robustness.project import ROLES, Project
from benchmarks.robustness.training_faults import FAULTS, FaultRun
from pipelines.observability.event_log import EventLog
from pipelines.params.load import load
from tiprdc.datasets.schema import read_schema, read_split
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

PASSED = FaultRun("worker", 0, 1, 1, 3, True, True, 0.0, 0, 1.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "disk").mkdir()
    return Project(tmp_path, epochs=2, workers=1, storage=tmp_path / "disk" / "runs")


def _write_log(project: Project, epochs: dict[str, list[int]], *, restarted: bool = True) -> None:
    journal = EventLog(str(project.folder / "logs"), "train")
    for role, numbers in epochs.items():
        if restarted:
            journal.write("started", {"resumed": False}, run=role)
        for number in numbers:
            journal.write("epoch", run=role, number=number)


def _write_curves(project: Project, epochs: dict[str, list[int]]) -> None:
    rows = [
        {"run": role, "epoch": number} for role, numbers in epochs.items() for number in numbers
    ]
    folder = project.folder / "reports" / "training"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "runs.csv", index=False)


def test_project_has_valid_shards_and_params(project: Project) -> None:
    shards = project.folder / "artifacts" / "shards"
    schema = read_schema(shards)
    records = read_split(shards, schema, "extractor-train")
    params = project.folder / "params.yaml"
    config = load("train", TrainConfig, params, auto=training(schema))
    assert len(records) > config.schedule.batch
    assert config.schedule.epochs == 2


def test_each_epoch_must_be_logged_once(project: Project) -> None:
    whole = {role: [1, 2] for role in ROLES}
    _write_curves(project, whole)
    _write_log(project, {"protected": [1], "unprotected": [1]})
    assert not project.epochs_logged_once()
    # Killed before its first checkpoint, and restarted: only epochs after the restart count.
    _write_log(project, whole)
    assert project.epochs_logged_once()
    _write_curves(project, {"protected": [1, 1, 2], "unprotected": [1, 2]})
    assert not project.epochs_logged_once()


def test_fault_run_passes_only_with_equal_networks() -> None:
    assert training_faults._passed(PASSED, 0.0)
    for change in (
        {"finished": False},
        {"logged_once": False},
        {"difference": 1e-9},
        {"difference": float("nan")},
    ):
        assert not training_faults._passed(replace(PASSED, **change), 0.0)
    assert training_faults._passed(replace(PASSED, difference=1e-9), 0.01)


def test_removed_storage_is_restored(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.storage.mkdir()
    (project.storage / "state").write_text("state")
    was_missing = []

    def sleep(_: float) -> None:
        was_missing.append(not project.storage.exists())
        # Another process creates a new folder in its place.
        (project.storage / "new").mkdir(parents=True)

    monkeypatch.setattr(training_faults.time, "sleep", sleep)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        FAULTS["gone"](project, process, random.Random(0))
    assert was_missing == [True]
    assert [file.name for file in project.storage.iterdir()] == ["state"]
