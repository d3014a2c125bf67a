"""A trial in this process: what it finds in planted data, and what it does with NaN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipelines.search.space import TuneConfig
from pipelines.search.trial import read_data, run
from pipelines.training.run import TrainConfig
from tiprdc.attacks.decensoring import DecensoringAttack
from tiprdc.attacks.gradient_boosting import GradientBoostingAttack
from tiprdc.datasets.schema import Schema
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
BASE = TrainConfig(
    extractor=ExtractorConfig(width=8), schedule=ScheduleConfig(batch=32, epochs=4, warm_up=0)
)
CONFIG = TuneConfig(epochs=2, people=150, attacks=("logistic_regression",), features=(8,))
OPEN = {"privacy_weight": 0.0, "budget": 0.1, "features": 8}


def test_a_trial_that_hides_nothing_is_found_out(tmp_path: Path, make_shards: MakeShards) -> None:
    make_shards(tmp_path, "table", people=200)
    data = read_data(tmp_path, CONFIG.people)
    assert (len(data.learn), len(data.attack), len(data.select)) == (150, 150, 200)
    played: list[int] = []
    found = run(OPEN, CONFIG, BASE, data, 0, played.append)
    assert played == [1, 2]
    assert not found["diverged"]
    assert found["advantage_low"] > 0.05
    for name in ("advantage", "utility"):
        assert found[f"{name}_low"] < found[name] <= found[f"{name}_high"] <= 1
    again = run(OPEN, CONFIG, BASE, data, 0)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}
    other = run(OPEN, CONFIG, BASE, data, 1)
    assert {**other, "seconds": 0} != {**found, "seconds": 0}


def test_a_trial_can_be_judged_by_attackers_who_hold_records(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table", people=200)
    data = read_data(tmp_path, CONFIG.people)
    config = replace(CONFIG, attacks=("logistic_regression", "decensoring"))
    held: list[int] = []
    learn = DecensoringAttack.learn

    def learnt(self: DecensoringAttack, x: Any, *rest: Any) -> Any:
        held.append(len(x))
        return learn(self, x, *rest)

    monkeypatch.setattr(DecensoringAttack, "learn", learnt)
    assert run(OPEN, config, BASE, data, 0)["advantage_low"] > 0.05
    assert held == [150]


def test_what_is_believed_is_found_once_for_all_trials(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table", people=200)
    fitted: list[int] = []
    fit = GradientBoostingAttack.fit

    def counted(self: GradientBoostingAttack, z: Any, *rest: Any) -> Any:
        fitted.append(len(z))
        return fit(self, z, *rest)

    monkeypatch.setattr(GradientBoostingAttack, "fit", counted)
    data = read_data(tmp_path, CONFIG.people).believing(0)
    base = replace(BASE, objective=replace(BASE.objective, cross_fit=True, memory=0))
    for seed in (0, 1):
        assert not run({"budget": 0.1, "features": 8}, CONFIG, base, data, seed)["diverged"]
    assert len(fitted) == 8
    assert max(fitted) < 150


def test_a_trial_that_comes_to_nan_is_the_worst_and_is_not_attacked(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table")
    data = read_data(tmp_path, 80)
    losses = {"total": float("nan"), "mutual_information": 0.0}
    monkeypatch.setattr("pipelines.search.trial.Trainer.train_epoch", lambda self, records: losses)
    monkeypatch.setattr("pipelines.search.trial._judge", lambda *_: pytest.fail("attacked"))
    found = run(OPEN, CONFIG, BASE, data, 0)
    assert found["diverged"]
    assert (found["advantage"], found["utility"]) == (1.0, 0.0)
