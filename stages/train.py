"""Train: shards -> checkpoints of the protected and the unprotected extractor."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster import ClusterConfig
from pipelines.defaults import training
from pipelines.observability.progress import run
from pipelines.params import load
from pipelines.training.run import TrainConfig, train
from tiprdc.datasets.schema import read_schema

SHARDS = Path("artifacts/shards")


def main() -> None:
    train(
        load("train", TrainConfig, auto=training(read_schema(SHARDS))),
        load("cluster", ClusterConfig),
        shards=SHARDS,
        out=Path("artifacts/checkpoint"),
        curves=Path("reports/training.csv"),
    )


if __name__ == "__main__":
    run(main)
