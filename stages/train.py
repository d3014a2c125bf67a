"""Train: shards -> checkpoints of the protected and the unprotected extractor.

With a role: that extractor only. Both in one call train side by side where they fit.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import run
from pipelines.params.load import load
from pipelines.training.run import train
from tiprdc.datasets.schema import read_schema
from tiprdc.training.config import ROLES, TrainConfig
from tiprdc.training.defaults import training

SHARDS = Path("artifacts/shards")


def main() -> None:
    train(
        load("train", TrainConfig, auto=training(read_schema(SHARDS))),
        load("cluster", ClusterConfig),
        shards=SHARDS,
        out=Path("artifacts/checkpoint"),
        curves=Path("reports/training"),
        roles=[role for role in ROLES if role in sys.argv[1:]] or ROLES,
    )


if __name__ == "__main__":
    run(main)
