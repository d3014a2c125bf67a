"""A real search of a few trials, and what is a front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipelines.cluster import ClusterConfig
from pipelines.training import TrainConfig
from pipelines.tuning import TuneConfig, on_front, tune
from tiprdc.datasets.schema import Schema, read_schema, write_schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.trainer import ScheduleConfig

MakeShards = Callable[..., Schema]
BASE = TrainConfig(extractor=ExtractorConfig(width=8), schedule=ScheduleConfig(batch=32))


@pytest.mark.ray
def test_a_search_leaves_every_trial_and_the_best_settings(
    tmp_path: Path, make_shards: MakeShards, local_ray: None
) -> None:
    make_shards(tmp_path / "shards", "table", people=200)
    config = TuneConfig(trials=3, epochs=2, people=200, features=(4, 8))
    cluster = ClusterConfig(storage=str(tmp_path / "runs"))
    tune(config, BASE, cluster, shards=tmp_path / "shards", out=tmp_path / "out")

    table = pd.read_csv(tmp_path / "out" / "front.csv")
    assert len(table) == 3
    assert table["privacy_weight"].between(0.5, 0.95).all()
    assert (table["advantage_low"] <= table["advantage"]).all()
    assert (table["advantage"] <= table["advantage_high"]).all()
    best = YAML(typ="safe").load(tmp_path / "out" / "best.yaml")
    assert len(best) == table["front"].sum() >= 1
    assert best[0]["train"]["extractor"]["features"] in (4, 8)
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_front_is_what_nothing_beats_in_both() -> None:
    table = pd.DataFrame(
        {"advantage": [0.1, 0.2, 0.3, 0.1], "utility": [0.7, 0.9, 0.8, 0.7]}, index=[5, 6, 7, 8]
    )
    assert on_front(table).to_dict() == {5: True, 6: True, 7: False, 8: True}


def test_a_search_without_a_utility_task_is_refused(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    make_shards(tmp_path, "table")
    write_schema(tmp_path, replace(read_schema(tmp_path), utility=()), [])
    with pytest.raises(ConfigError, match="no utility attribute"):
        tune(TuneConfig(), BASE, ClusterConfig(), shards=tmp_path, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"privacy_weight": (0.9, 0.5)}, r"tune.privacy_weight: \[0.9, 0.5\]"),
        ({"closed_form": (0.0, 1.0)}, "tune.closed_form"),
        ({"attacks": ("mpl",)}, "did you mean 'mlp'"),
    ],
)
def test_a_search_out_of_range_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TuneConfig(**settings)  # type: ignore[arg-type]
