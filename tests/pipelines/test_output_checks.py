"""Stages and searches try their results' folder before they read data or start Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.audit.run import audit
from pipelines.cluster.connect import ClusterConfig
from pipelines.preparation.sharding import prepare
from pipelines.training.run import train
from pipelines.tuning import tune
from tiprdc.errors import ConfigError

CLUSTER: Any = ClusterConfig(log="")
ANY: Any = None
"""Settings and data that a refusal needs not."""

COMMANDS: dict[str, Callable[[Path], object]] = {
    "prepare": lambda out: prepare(ANY, CLUSTER, out=out / "shards"),
    "train": lambda out: train(ANY, CLUSTER, shards=ANY, out=out, curves=out.parent),
    "train, curves": lambda out: train(ANY, CLUSTER, shards=ANY, out=out.parent, curves=out),
    "tune": lambda out: tune(ANY, ANY, CLUSTER, shards=ANY, out=out),
    "audit": lambda out: audit(ANY, CLUSTER, shards=ANY, release=ANY, unprotected=None, out=out),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_that_cannot_be_written_is_refused_first(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file cannot be written"):
        COMMANDS[command](tmp_path / "file")
