"""Fixtures: planted pictures, and a trainer of small networks on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.trainers import MakeTrainer
from tiprdc.datasets.schema import Records, Schema, read_split
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer
from tiprdc.training.worker import WorkerContext

MakeShards = Callable[..., Schema]


@pytest.fixture
def planted(tmp_path: Path, make_shards: MakeShards) -> tuple[Schema, Records]:
    schema = make_shards(tmp_path / "shards", "image")
    return schema, read_split(tmp_path / "shards", schema, "extractor-train")


@pytest.fixture
def make_trainer(planted: tuple[Schema, Records]) -> MakeTrainer:
    schema, _ = planted

    def make(
        *, features: int = 8, leace: bool = False, worker: WorkerContext | None = None,
        objective: ObjectiveConfig | None = None, **schedule: Any,
    ) -> Trainer:  # fmt: skip
        return Trainer(
            objective or ObjectiveConfig(noise=0.1, adversaries=1),
            ExtractorConfig(width=8, features=features, leace=leace),
            ScheduleConfig(**{"epochs": 3, "batch": 16, "warm_up": 0.5, **schedule}),
            InputSpec.of(schema),
            {"secret": 2},
            seed=3,
            worker=worker or WorkerContext(),
        )

    return make
