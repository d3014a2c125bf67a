"""Where the comparison's files are, and what its params.yaml asks for."""

from __future__ import annotations

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


def comparison(schema: Schema) -> ComparisonConfig:
    """Who attacks, how often, and the knobs of the methods on such records."""
    auto = training(schema, "comparison.methods")
    return load("comparison", ComparisonConfig, PARAMS, auto=auto)


def source(dataset: str) -> PrepareConfig:
    """What a data set is prepared from.

    Raises:
        ConfigError: It has no section.
    """
    return load(dataset, PrepareConfig, PARAMS)


def listed(key: str) -> tuple[str, ...]:
    """Names under `datasets` or `methods`."""
    sections: dict[str, Any] = YAML(typ="safe", pure=True).load(PARAMS.read_text(encoding="utf-8"))
    names: tuple[str, ...] = build(tuple[str, ...], sections.get(key), key)
    return names


def cell_file(dataset: str, method: str) -> Path:
    """The rows of one data set and method, all seeds."""
    return RESULTS / f"{dataset}-{method}.csv"
