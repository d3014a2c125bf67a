"""Tune: shards -> the Pareto front of privacy and utility, and proposed settings."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import run
from pipelines.params.defaults import tuning
from pipelines.params.load import load
from pipelines.search.space import TuneConfig
from pipelines.tuning import tune
from tiprdc.datasets.schema import read_schema
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

SHARDS = Path("artifacts/shards")


def main() -> None:
    schema = read_schema(SHARDS)
    base = load("train", TrainConfig, auto=training(schema))
    tune(
        load("tune", TuneConfig, auto=tuning(schema, base)),
        base,
        load("cluster", ClusterConfig),
        shards=SHARDS,
        out=Path("reports/tuning"),
    )


if __name__ == "__main__":
    run(main)
