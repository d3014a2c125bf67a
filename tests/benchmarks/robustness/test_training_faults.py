"""What `training_faults` calls a good end of a run, and what not. No Ray."""

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
from benchmarks.robustness.training_faults import FAULTS, Trial
from pipelines.defaults import training
from pipelines.observability.event_log import EventLog
from pipelines.params import load
from pipelines.training.run import TrainConfig
from tiprdc.datasets.schema import read_schema, read_split

GOOD = Trial("worker", 0, 1, 1, 3, True, True, 0.0, 0, 1.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "disk").mkdir()
    return Project(tmp_path, epochs=2, workers=1, storage=tmp_path / "disk" / "runs")


def _tell(project: Project, epochs: dict[str, list[int]], *, afresh: bool = True) -> None:
    journal = EventLog(str(project.folder / "logs"), "train")
    for role, numbers in epochs.items():
        if afresh:
            journal.write("started", {"resumed": False}, run=role)
        for number in numbers:
            journal.write("epoch", run=role, number=number)


def _draw(project: Project, epochs: dict[str, list[int]]) -> None:
    rows = [
        {"run": role, "epoch": number} for role, numbers in epochs.items() for number in numbers
    ]
    (project.folder / "reports").mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(project.folder / "reports" / "training.csv", index=False)


def test_a_project_can_be_trained(project: Project) -> None:
    shards = project.folder / "artifacts" / "shards"
    schema = read_schema(shards)
    records = read_split(shards, schema, "extractor-train")
    params = project.folder / "params.yaml"
    config = load("train", TrainConfig, params, auto=training(schema))
    assert len(records) > config.schedule.batch
    assert config.schedule.epochs == 2


def test_each_epoch_is_to_be_told_once(project: Project) -> None:
    whole = {role: [1, 2] for role in ROLES}
    _draw(project, whole)
    _tell(project, {"protected": [1], "unprotected": [1]})
    assert not project.once()
    # Killed before its first checkpoint, begun afresh: only what came after that counts.
    _tell(project, whole)
    assert project.once()
    _draw(project, {"protected": [1, 1, 2], "unprotected": [1, 2]})
    assert not project.once()


def test_only_a_trial_with_the_same_players_is_good() -> None:
    assert training_faults._good(GOOD, 0.0)
    for bad in (
        {"ended": False},
        {"once": False},
        {"difference": 1e-9},
        {"difference": float("nan")},
    ):
        assert not training_faults._good(replace(GOOD, **bad), 0.0)
    assert training_faults._good(replace(GOOD, difference=1e-9), 0.01)


def test_storage_that_was_taken_away_comes_back_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.storage.mkdir()
    (project.storage / "kept").write_text("kept")
    gone = []

    def sleep(_: float) -> None:
        gone.append(not project.storage.exists())
        # Somebody makes a new folder in its place.
        (project.storage / "new").mkdir(parents=True)

    monkeypatch.setattr(training_faults.time, "sleep", sleep)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        FAULTS["gone"](project, process, random.Random(0))
    assert gone == [True]
    assert [file.name for file in project.storage.iterdir()] == ["kept"]
