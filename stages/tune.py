"""Tune: shards -> the front of privacy and utility, and its best settings."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster import ClusterConfig
from pipelines.console import run
from pipelines.params import load
from pipelines.recipes import training, tuning
from pipelines.searching import TuneConfig
from pipelines.training import TrainConfig
from pipelines.tuning import tune
from tiprdc.datasets.schema import read_schema

SHARDS = Path("artifacts/shards")


def main() -> None:
    schema = read_schema(SHARDS)
    tune(
        load("tune", TuneConfig, auto=tuning(schema)),
        load("train", TrainConfig, auto=training(schema)),
        load("cluster", ClusterConfig),
        shards=SHARDS,
        out=Path("reports/tuning"),
    )


if __name__ == "__main__":
    run(main)
