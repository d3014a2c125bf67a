"""Where the comparison's files are, and what its params.yaml asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.cells import ComparisonConfig
from pipelines.params import build, load
from pipelines.recipes import training
from pipelines.sharding import PrepareConfig
from tiprdc.datasets.schema import Schema

HERE = Path(__file__).parent
PARAMS = HERE / "params.yaml"
RESULTS = HERE / "results"
SHARDS = HERE / "shards"
TABLE = HERE / "table"


def comparison(dataset: str, schema: Schema) -> ComparisonConfig:
    """Who attacks, how often, and the knobs of the methods on a data set."""
    auto = training(schema, "comparison.methods")
    config = load("comparison", ComparisonConfig, PARAMS, auto=auto)
    budgets = build(dict[str, float], _sections().get("budgets", {}), "budgets")
    game = replace(config.methods.game, budget=budgets.get(dataset, config.methods.game.budget))
    return replace(config, methods=replace(config.methods, game=game))


def source(dataset: str) -> PrepareConfig:
    """What a data set is prepared from.

    Raises:
        ConfigError: It has no section.
    """
    return load(dataset, PrepareConfig, PARAMS)


def listed(key: str) -> tuple[str, ...]:
    """Names under `datasets` or `methods`."""
    names: tuple[str, ...] = build(tuple[str, ...], _sections().get(key), key)
    return names


def cell_file(dataset: str, method: str) -> Path:
    """The rows of one data set and method, all seeds."""
    return RESULTS / f"{dataset}-{method}.csv"


def _sections() -> dict[str, Any]:
    sections: dict[str, Any] = YAML(typ="safe", pure=True).load(PARAMS.read_text(encoding="utf-8"))
    return sections
