from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipelines.search.pareto import (
    aggregate_seeds,
    format_proposal,
    pareto_candidates,
    pareto_front,
    proposals,
    write,
)
from pipelines.search.space import TuneConfig
from tiprdc.settings import convert
from tiprdc.training.config import TrainConfig

CONFIG = TuneConfig(limits=(0.05, 0.2))
SEARCHED = CONFIG.searched()


def row(
    weight: float, advantage: float, utility: float, *, width: float = 0.02, features: int = 16
) -> dict[str, float]:
    return {
        "privacy_weight": weight, "budget": 0.1, "features": features,
        "advantage": advantage, "advantage_low": advantage - width,
        "advantage_high": advantage + width, "utility": utility,
        "utility_low": utility - width, "utility_high": utility + width, "kept": utility - 0.2,
        "seconds": 1.5,
    }  # fmt: skip


def test_pareto_front_is_the_undominated_rows() -> None:
    table = pd.DataFrame(
        {"advantage": [0.1, 0.2, 0.3, 0.1], "utility": [0.7, 0.9, 0.8, 0.7]}, index=[5, 6, 7, 8]
    )
    assert pareto_front(table).to_dict() == {5: True, 6: True, 7: False, 8: True}


def test_candidates_are_undominated_within_their_bounds() -> None:
    rows = [row(0.9, 0.10, 0.80), row(0.8, 0.11, 0.79), row(0.3, 0.30, 0.60)]
    near = pareto_candidates(pd.DataFrame(rows), most=10)
    assert near["privacy_weight"].tolist() == [0.9, 0.8]
    assert pareto_candidates(pd.DataFrame(rows), most=1)["privacy_weight"].tolist() == [0.9]


def test_seeds_are_aggregated_with_combined_bounds() -> None:
    rows = [row(0.5, 0.10, 0.80), row(0.5, 0.16, 0.80), row(0.7, 0.05, 0.70)]
    table = aggregate_seeds(pd.DataFrame(rows), SEARCHED)
    assert table["privacy_weight"].tolist() == [0.7, 0.5]
    one, two = table.to_dict("records")
    assert (one["seeds"], two["seeds"]) == (1, 2)
    assert one["advantage_high"] == pytest.approx(0.07)
    assert two["advantage"] == pytest.approx(0.13)
    # t(0.95, 1 degree) = 6.3138, s = 0.0424, sqrt(2) seeds; joined with the people's 0.02.
    between = 6.3138 * 0.0424264 / math.sqrt(2)
    assert two["advantage_high"] == pytest.approx(0.13 + math.hypot(0.02, between), abs=1e-4)
    assert two["utility_low"] == pytest.approx(0.78)
    assert two["seconds"] == 3.0
    assert table["front"].tolist() == [True, True]


def test_proposal_is_the_highest_utility_within_each_limit() -> None:
    rows = [row(0.9, 0.15, 0.80), row(0.8, 0.17, 0.85), row(0.7, 0.19, 0.95)]
    table = aggregate_seeds(pd.DataFrame(rows), SEARCHED)
    small, large = proposals(table, CONFIG)
    assert small == {"limit": 0.05, "none": "the least upper bound is 0.170"}
    # 0.19 with an upper bound of 0.21 is not within 0.2, though it keeps most.
    assert large["limit"] == 0.2
    assert large["train"]["objective"] == {"privacy_weight": 0.8, "budget": 0.1}
    assert large["train"]["extractor"] == {"features": 16}
    # 16.0 would be refused in params.yaml.
    assert type(large["train"]["extractor"]["features"]) is int
    assert large["figures"]["utility"] == 0.85
    assert (
        format_proposal(small)
        == "advantage of at most 0.05: no setting; the least upper bound is 0.170"
    )
    assert format_proposal(large) == (
        "advantage of at most 0.2: utility 0.850 (65% kept), advantage 0.170 with budget 0.1, "
        "privacy_weight 0.8, features 16"
    )


def test_proposal_is_silent_about_kept_where_no_task_can_be_told() -> None:
    table = aggregate_seeds(pd.DataFrame([{**row(0.8, 0.1, 0.85), "kept": np.nan}]), SEARCHED)
    (_, proposal) = proposals(table, CONFIG)
    assert "utility 0.850, advantage 0.100 with" in format_proposal(proposal)


def test_write_makes_table_page_chart_and_params_sections(tmp_path: Path) -> None:
    config = TuneConfig(family=("cnn",), adversaries=(2,), limits=(0.2,))
    rows = [{**row(0.9, 0.1, 0.8), "family": "cnn", "adversaries": 2}]
    write(aggregate_seeds(pd.DataFrame(rows), config.searched()), config, tmp_path)
    table = pd.read_csv(tmp_path / "front.csv")
    assert {"advantage", "utility", "front", "seeds", "family"} <= set(table.columns)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "front.html").read_text()
    assert "family cnn" in page
    assert '<td class="n">60 %</td>' in page
    assert "advantage 0.100 (0.080 to 0.120), utility 0.800" in page
    assert "<pre>train:\n  objective:" in page
    (proposal,) = YAML(typ="safe").load(tmp_path / "best.yaml")
    taken = convert(TrainConfig, proposal["train"], "train")
    assert taken.objective.adversaries == 2
    assert taken.objective.privacy_weight == 0.9
    assert taken.extractor.family == "cnn"


def test_page_names_its_axes_and_draws_no_limit_outside(tmp_path: Path) -> None:
    config = TuneConfig(family=("cnn",), limits=(0.01, 0.1, 0.4))
    rows = [{**row(0.9, 0.1, 0.8), "family": "cnn"}]
    write(aggregate_seeds(pd.DataFrame(rows), config.searched()), config, tmp_path)
    page = (tmp_path / "front.html").read_text()
    assert "Balanced accuracy of unseen tasks</text>" in page
    assert "Advantage of the strongest attack</text>" in page
    assert page.count('class="limit"') == 1
    places = re.findall(r'class="limit" x1="(-?[0-9.]+)%"', page)
    assert 0 <= float(places[0]) <= 100
