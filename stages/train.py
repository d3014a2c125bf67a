"""Train: shards -> checkpoints of the extractor and its unprotected twin."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster import ClusterConfig
from pipelines.console import run
from pipelines.params import load
from pipelines.training import TrainConfig, train


def main() -> None:
    train(
        load("train", TrainConfig),
        load("cluster", ClusterConfig),
        shards=Path("artifacts/shards"),
        out=Path("artifacts/checkpoint"),
        curves=Path("reports/training.csv"),
    )


if __name__ == "__main__":
    run(main)
