"""Tune: shards -> the front of privacy and utility, and its best settings."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster import ClusterConfig
from pipelines.console import run
from pipelines.params import load
from pipelines.searching import TuneConfig
from pipelines.training import TrainConfig
from pipelines.tuning import tune


def main() -> None:
    tune(
        load("tune", TuneConfig),
        load("train", TrainConfig),
        load("cluster", ClusterConfig),
        shards=Path("artifacts/shards"),
        out=Path("reports/tuning"),
    )


if __name__ == "__main__":
    run(main)
