"""Real searches of a few trials: as a stage, and as `ray submit` starts it, killed and resumed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec import structs
from ruamel.yaml import YAML

from pipelines import tuning
from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.event_log import read
from pipelines.search.space import TuneConfig
from pipelines.tuning import tune
from tiprdc.datasets.schema import (
    Records,
    Schema,
    read_schema,
    read_split,
    write_schema,
    write_shard,
)
from tiprdc.errors import ClusterError, ConfigError, DataError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.code import code_digest
from tiprdc.training.config import TrainConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
ROOT = Path(__file__).parents[2]
BASE = TrainConfig(extractor=ExtractorConfig(width=8), schedule=ScheduleConfig(batch=32))


@pytest.mark.slow
@pytest.mark.ray
def test_search_writes_all_settings_and_a_proposal_for_each_limit(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    make_shards(tmp_path / "shards", "table", people=200)
    config = TuneConfig(
        trials=3, epochs=2, people=200, features=(4, 8), seeds=2, near=1, limits=(0.01, 1.0)
    )
    cluster = ClusterConfig(storage=str(tmp_path / "runs"), log=str(tmp_path / "logs"))
    tune(config, BASE, cluster, shards=tmp_path / "shards", out=tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "front.csv")
    assert len(table) == 3
    assert sorted(table["seeds"]) == [1, 1, 2]
    assert table["privacy_weight"].between(0.3, 0.9).all()
    for name in ("advantage", "utility"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    proposals = YAML(typ="safe").load(tmp_path / "out" / "best.yaml")
    assert [proposal["limit"] for proposal in proposals] == [0.01, 1.0]
    assert proposals[1]["train"]["extractor"]["features"] in (4, 8)
    assert list((tmp_path / "runs").iterdir()) == []
    lines = list(read(tmp_path / "logs" / "tune.jsonl"))
    trials = [line for line in lines if line["event"] == "trial"]
    assert [trial["state"] for trial in trials] == ["finished"] * 4
    assert lines[-1]["event"] == "stage finished"


@pytest.mark.slow
@pytest.mark.ray
def test_search_of_the_head_trains_one_trunk_and_proposes_a_weight(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    make_shards(tmp_path / "shards", "table", people=200)
    config = TuneConfig(
        trials=3, epochs=1, people=200, budget=(), privacy_weight=(), features=(),
        weight=(0.5, 8.0), release_noise=(0.2, 1.0), limits=(1.0,),
        attacks=("logistic_regression",),
    )  # fmt: skip
    base = structs.replace(BASE, extractor=ExtractorConfig(width=8, features=8, head=16))
    cluster = ClusterConfig(storage=str(tmp_path / "runs"), log=str(tmp_path / "logs"))
    tune(config, base, cluster, shards=tmp_path / "shards", out=tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "front.csv")
    assert len(table) == 3
    assert table["weight"].between(0.5, 8.0).all()
    (proposal,) = YAML(typ="safe").load(tmp_path / "out" / "best.yaml")
    assert set(proposal["train"]) == {"head", "extractor"}
    (trunks,) = (tmp_path / "runs").iterdir()
    assert len(list(trunks.iterdir())) == 1


@pytest.mark.ray
@pytest.mark.parametrize(
    "state",
    [
        pytest.param("hopeless", marks=pytest.mark.slow),
        "diverged",
        pytest.param("failed", marks=pytest.mark.slow),
    ],
)
def test_trials_that_cannot_finish_end_early(
    tmp_path: Path, make_shards: MakeShards, local_ray: None, state: str
) -> None:
    shards = tmp_path / "shards"
    schema = make_shards(shards, "table", people=200)
    if state == "diverged":
        records = read_split(shards, schema, "extractor-train")
        rewrite(shards, "extractor-train", replace(records, x=records.x * np.float32("nan")))
    if state == "failed":
        records = read_split(shards, schema, "attacker-train")
        labels = {name: np.zeros_like(values) for name, values in records.labels.items()}
        rewrite(shards, "attacker-train", replace(records, labels=labels))
    # A large batch: almost no steps, so no trial hides the planted secret.
    batch = 512 if state == "hopeless" else 32
    config = TuneConfig(
        trials=2, epochs=3, people=200, features=(8,), limits=(0.01,), budget=(0.02, 0.02),
        attacks=("logistic_regression",),
    )  # fmt: skip
    schedule = structs.replace(BASE.schedule, batch=batch, epochs=3, warm_up=0.0)
    base = structs.replace(BASE, schedule=schedule)
    cluster = ClusterConfig(storage=str(tmp_path / "runs"), log=str(tmp_path / "logs"))
    with pytest.raises(ClusterError, match="none of 2 trials finished"):
        tune(config, base, cluster, shards=shards, out=tmp_path / "out")
    lines = read(tmp_path / "logs" / "tune.jsonl")
    trials = [line for line in lines if line["event"] == "trial"]
    assert [trial["state"] for trial in trials] == [state] * 2
    assert [trial.get("error") for trial in trials] == [
        "ValueError" if state == "failed" else None
    ] * 2


def rewrite(shards: Path, split: str, records: Records) -> None:
    write_shard(shards / split / "part-00000.parquet", records)


@pytest.mark.slow
@pytest.mark.ray
def test_killed_search_resumes_from_a_copied_script(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path / "shards", "table", people=200)
    script = shutil.copy(ROOT / "pipelines" / "tuning.py", tmp_path / "tuning.py")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["cluster"].update(log=str(tmp_path / "logs"), num_cpus=1)
    params["tune"].update(features=[4, 8], attacks=["logistic_regression"], limits=[1.0])
    yaml.dump(params, tmp_path / "params.yaml")
    folders = {"shards": "shards", "out": "out", "storage": "runs", "params": "params.yaml"}
    command = [
        sys.executable, script, "--trials", "4", "--epochs", "2", "--people", "200",
        *(part for name, end in folders.items() for part in (f"--{name}", str(tmp_path / end))),
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = tmp_path / "logs" / "tune.jsonl"

    def trials() -> list[str]:
        return [line["run"] for line in read(log) if line["event"] == "trial"]

    first = subprocess.Popen(
        command, cwd=tmp_path, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 200
        while not trials() or not list(tmp_path.glob("runs/tune-*/tuner.pkl")):
            assert first.poll() is None, "ended before the kill"
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "tune: resuming" in done.stderr
    assert len(pd.read_csv(tmp_path / "out" / "front.csv")) == 4
    assert len(trials()) == len(set(trials())) >= 4
    assert done.stdout.split() == [str(tmp_path / "out" / n) for n in ("front.csv", "best.yaml")]


@pytest.mark.slow
def test_copied_script_prints_help_and_config_errors(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path / "shards", "table", people=40)
    script = shutil.copy(ROOT / "pipelines" / "tuning.py", tmp_path / "tuning.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    # `auto` of the search depends on the section `train` of the same file.
    params = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("\n  trials:", "\n  trails:"))
    wrong = ["--shards", str(tmp_path / "shards"), "--params", str(tmp_path / "params.yaml")]
    for options, code in ((["--help"], 0), (wrong, 2)):
        done = subprocess.run(
            [sys.executable, script, *options], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        if code == 0:
            assert set(re.findall(r"--[a-z-]+", done.stdout)) >= {
                "--trials", "--shards", "--resume", "--out", "--seeds", "--address",
            }  # fmt: skip
    assert "did you mean 'trials'?" in done.stderr


def test_search_without_utility_attribute_is_refused(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path, "table")
    write_schema(tmp_path, replace(read_schema(tmp_path), utility=()), [])
    with pytest.raises(ConfigError, match="no utility attribute"):
        tune(TuneConfig(), BASE, ClusterConfig(log=""), shards=tmp_path, out=tmp_path / "out")


def test_infeasible_budget_is_refused_before_any_trial(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table", people=400)
    records = read_split(tmp_path, schema, "extractor-train")
    same = {"secret": records.labels["secret"], "task": records.labels["secret"]}
    digest = write_shard(
        tmp_path / "extractor-train" / "part-00000.parquet", replace(records, labels=same)
    )
    write_schema(tmp_path, schema, [digest])
    base = structs.replace(BASE, infeasible="refuse")
    with pytest.raises(DataError, match="hiding secret and keeping task whole cannot"):
        tune(TuneConfig(), base, ClusterConfig(log=""), shards=tmp_path, out=tmp_path / "out")
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())).count("out") == 0


def test_search_name_changes_with_the_code_of_attacks_and_trials(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that was killed is found by its name: other code starts a new one."""
    schema = make_shards(tmp_path / "shards", "table", people=40)
    for folder in ("tiprdc", "pipelines"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    digest = partial(code_digest, project=tmp_path)
    monkeypatch.setattr(tuning, "code_digest", digest)
    names = {tuning._search_name(TuneConfig(), BASE, schema)}
    assert names == {tuning._search_name(TuneConfig(), BASE, schema)}
    edited = (
        "tiprdc/attacks/families/mlp.py",
        "tiprdc/attacks/cross_fitting.py",
        "pipelines/search/trial.py",
    )
    for number, file in enumerate(edited):
        with (tmp_path / file).open("a") as stream:
            stream.write("\n# edited\n")
        names.add(tuning._search_name(TuneConfig(), BASE, schema))
        assert len(names) == number + 2, file
    (tmp_path / "pipelines" / "observability" / "progress.py").write_text("# edited\n")
    assert tuning._search_name(TuneConfig(), BASE, schema) in names
