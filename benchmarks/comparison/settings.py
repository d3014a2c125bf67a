"""Paths of the comparison, and its settings from benchmarks/comparison/params.yaml."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from pipelines.comparison.cell import ComparisonConfig
from pipelines.params.load import load, read
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import convert
from tiprdc.training.defaults import training
from tiprdc.training.objective_config import ObjectiveConfig

HERE = Path(__file__).parent
PARAMS = HERE / "params.yaml"
RESULTS = HERE / "results"
SHARDS = HERE / "shards"
TABLE = HERE / "table"
_METHODS = "comparison.methods"


def comparison(dataset: str, schema: Schema) -> ComparisonConfig:
    """Attacks, seeds and settings of the methods on one data set.

    Raises:
        ConfigError: A key of `comparison` or of `budgets` is wrong.
    """
    shared = training(schema, _METHODS)
    auto = {key: value for key, value in shared.items() if not key.startswith(f"{_METHODS}.head.")}
    auto |= training(schema, f"{_METHODS}.ours")
    config = load("comparison", ComparisonConfig, PARAMS, auto=auto)
    ours = config.methods.ours
    ours = replace(ours, objective=_with_budget(ours.objective, dataset))
    return replace(config, methods=replace(config.methods, ours=ours))


def source(dataset: str) -> PrepareConfig:
    """Settings with which a data set's shards are prepared.

    Raises:
        ConfigError: The data set has no section.
    """
    return load(dataset, PrepareConfig, PARAMS)


def listed(key: str) -> tuple[str, ...]:
    """Names under `datasets` or `methods`."""
    return convert(tuple[str, ...], read(PARAMS).get(key), key)


def cell_file(dataset: str, method: str) -> Path:
    """CSV file of one data set and method, all seeds."""
    return RESULTS / f"{dataset}-{method}.csv"


def _with_budget(objective: ObjectiveConfig, dataset: str) -> ObjectiveConfig:
    """The objective with the data set's own budget, if `budgets` names one."""
    sections = read(PARAMS)
    budgets = convert(dict[str, float], sections.get("budgets") or {}, "budgets")
    for name in budgets:
        if name not in sections:
            raise ConfigError(
                f"budgets.{name}", "no data set of this name", f"names of sections in {PARAMS}",
                suggestion(name, sections["datasets"]),
            )  # fmt: skip
    try:
        return replace(objective, budget=budgets.get(dataset, objective.budget))
    except ConfigError as error:
        raise ConfigError(f"budgets.{dataset}", error.given, error.expected, error.hint) from None
