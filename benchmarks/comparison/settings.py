"""Where the comparison's files are, and what its params.yaml asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.comparison.cell import ComparisonConfig
from pipelines.defaults import training
from pipelines.params import build, load
from pipelines.sharding import PrepareConfig
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError, suggestion
from tiprdc.training.objective_config import ObjectiveConfig

HERE = Path(__file__).parent
PARAMS = HERE / "params.yaml"
RESULTS = HERE / "results"
SHARDS = HERE / "shards"
TABLE = HERE / "table"


def comparison(dataset: str, schema: Schema) -> ComparisonConfig:
    """Who attacks, how often, and the knobs of the methods on a data set.

    Raises:
        ConfigError: A key of `comparison` or of `budgets` is wrong.
    """
    auto = training(schema, "comparison.methods")
    config = load("comparison", ComparisonConfig, PARAMS, auto=auto)
    game = _on_budget(config.methods.objective, dataset)
    return replace(config, methods=replace(config.methods, objective=game))


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


def _on_budget(game: ObjectiveConfig, dataset: str) -> ObjectiveConfig:
    """The same rules with the data set's own budget, if it has one."""
    sections = _sections()
    budgets: dict[str, float] = build(dict[str, float], sections.get("budgets") or {}, "budgets")
    for name in budgets:
        if name not in sections:
            raise ConfigError(
                f"budgets.{name}", "no data set of this name", f"names of sections in {PARAMS}",
                suggestion(name, sections["datasets"]),
            )  # fmt: skip
    try:
        return replace(game, budget=budgets.get(dataset, game.budget))
    except ConfigError as error:
        raise ConfigError(f"budgets.{dataset}", error.given, error.expected, error.hint) from None


def _sections() -> dict[str, Any]:
    sections: dict[str, Any] = YAML(typ="safe", pure=True).load(PARAMS.read_text(encoding="utf-8"))
    return sections
