"""Prepare: records -> shards, split by person."""

from __future__ import annotations

from pathlib import Path

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import run
from pipelines.params.load import check_all, load
from pipelines.preparation.sharding import prepare
from tiprdc.datasets.prepare_config import PrepareConfig


def main() -> None:
    # It is the first stage: a typo in the last one's section is found now.
    check_all()
    prepare(
        load("prepare", PrepareConfig),
        load("cluster", ClusterConfig),
        out=Path("artifacts/shards"),
    )


if __name__ == "__main__":
    run(main)
