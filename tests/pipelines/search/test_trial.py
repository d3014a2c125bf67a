"""Trials in this process: scores on planted data, and early stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from pipelines.search.space import TuneConfig
from pipelines.search.trial import fit_trunk, run
from pipelines.search.trial_data import read_data
from pipelines.search.trunk import Trunks
from tiprdc.attacks.families.decensoring import DecensoringAttack
from tiprdc.attacks.families.gradient_boosting import GradientBoostingAttack
from tiprdc.datasets.schema import Schema
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.config import TrainConfig
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
BASE = TrainConfig(
    extractor=ExtractorConfig(width=8), schedule=ScheduleConfig(batch=32, epochs=4, warm_up=0)
)
CONFIG = TuneConfig(epochs=2, people=150, attacks=("logistic_regression",), features=(8,))
OPEN = {"privacy_weight": 0.0, "budget": 0.1, "features": 8}


def test_trial_without_privacy_weight_has_an_advantage(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path, "table", people=200)
    data = read_data(tmp_path, CONFIG.people)
    assert (len(data.train), len(data.attack), len(data.select)) == (150, 100, 200)
    epochs: list[float] = []
    figures = run(OPEN, CONFIG, BASE, data, 0, lambda losses: epochs.append(losses["epoch"]))
    assert epochs == [1, 2]
    assert figures["state"] == "finished"
    assert figures["advantage_low"] > 0.05
    for name in ("advantage", "utility"):
        assert figures[f"{name}_low"] < figures[name] <= figures[f"{name}_high"] <= 1
    assert np.isnan(figures["kept"])
    probed = data.with_ceilings(0)
    kept = run(OPEN, CONFIG, BASE, probed, 0)["kept"]
    ((task, ceiling),) = probed.ceilings.items()
    guess = 1 / data.schema.classes(task)
    assert kept == pytest.approx((figures["utility"] - guess) / (ceiling - guess))
    again = run(OPEN, CONFIG, BASE, data, 0)
    assert {**again, "seconds": 0, "kept": 0} == {**figures, "seconds": 0, "kept": 0}
    other = run(OPEN, CONFIG, BASE, data, 1)
    assert {**other, "seconds": 0} != {**figures, "seconds": 0}


def test_trial_passes_records_to_record_attacks(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table", people=200)
    data = read_data(tmp_path, CONFIG.people)
    config = replace(CONFIG, attacks=("logistic_regression", "decensoring"))
    records: list[int] = []
    fit_map = DecensoringAttack.fit_map

    def recorded(self: DecensoringAttack, x: Any, *rest: Any) -> Any:
        records.append(len(x))
        return fit_map(self, x, *rest)

    monkeypatch.setattr(DecensoringAttack, "fit_map", recorded)
    assert run(OPEN, config, BASE, data, 0)["advantage_low"] > 0.05
    assert records == [100]


def test_out_of_fold_predictions_are_fitted_once_for_all_trials(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table", people=200)
    fitted: list[int] = []
    fit = GradientBoostingAttack.fit

    def counted(self: GradientBoostingAttack, z: Any, *rest: Any) -> Any:
        fitted.append(len(z))
        return fit(self, z, *rest)

    monkeypatch.setattr(GradientBoostingAttack, "fit", counted)
    data = read_data(tmp_path, CONFIG.people).with_predictions(0)
    base = replace(BASE, objective=replace(BASE.objective, cross_fit=True, memory=0))
    for seed in (0, 1):
        figures = run({"budget": 0.1, "features": 8}, CONFIG, base, data, seed)
        assert figures["state"] == "finished"
    assert len(fitted) == 8
    assert max(fitted) < 150


def test_diverged_trial_gets_the_worst_scores_without_an_attack(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(tmp_path, "table")
    data = read_data(tmp_path, 80)
    losses = {"total": float("nan"), "mutual_information": 0.0}
    monkeypatch.setattr("pipelines.search.trial.Trainer.train_epoch", lambda self, records: losses)
    monkeypatch.setattr("pipelines.search.trial._attack", lambda *_: pytest.fail("attacked"))
    figures = run(OPEN, CONFIG, BASE, data, 0)
    assert figures["state"] == "diverged"
    assert (figures["advantage"], figures["utility"]) == (1.0, 0.0)


def test_trials_of_the_head_share_a_trunk_and_get_what_they_would_alone(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiprdc.training.head.phase.STEPS", 5)
    make_shards(tmp_path / "shards", "table", people=200)
    data = read_data(tmp_path / "shards", 150)
    base = replace(
        BASE, extractor=replace(BASE.extractor, head=16, features=6), head=HeadConfig(batch=64)
    )
    config = replace(
        CONFIG, budget=(), privacy_weight=(), features=(), weight=(0.5, 8.0),
        release_noise=(0.2, 1.0),
    )  # fmt: skip
    trunks = Trunks(str(tmp_path / "runs"), "trunks")
    fit_trunk({}, config, base, data, 0, trunks)
    (file,) = (tmp_path / "runs" / "trunks").iterdir()
    for point in ({"weight": 0.5, "release_noise": 0.2}, {"weight": 8.0, "release_noise": 1.0}):
        epochs: list[float] = []

        def report(losses: Mapping[str, float], epochs: list[float] = epochs) -> None:
            epochs.append(losses["epoch"])

        shared = run(point, config, base, data, 0, report, trunks=trunks)
        assert epochs == [3], "the trunk is not trained again"
        alone = run(point, config, base, data, 0)
        del shared["seconds"], alone["seconds"]
        assert shared == pytest.approx(alone, nan_ok=True)
    assert list((tmp_path / "runs" / "trunks").iterdir()) == [file]
    run({"weight": 1.0}, config, base, data, 1, trunks=trunks)
    assert len(list((tmp_path / "runs" / "trunks").iterdir())) == 2
