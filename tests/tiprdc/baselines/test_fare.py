"""FARE: one leaf for each record, from the known task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from tiprdc.baselines.base import FitInputs, MethodsConfig
from tiprdc.baselines.fare import Fare
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.errors import ConfigError

MakeShards = Callable[..., Schema]


def test_leaf_tells_the_known_task_and_not_the_private_attribute(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table", people=400)
    records = read_split(tmp_path, schema, "extractor-train")
    inputs = FitInputs(records=records, schema=schema, config=MethodsConfig(leaves=4), seed=0)
    networks = [Fare().fit(inputs) for _ in range(2)]
    others = read_split(tmp_path, schema, "attacker-test")
    z, again = (network(torch.from_numpy(others.x)).numpy() for network in networks)
    assert np.array_equal(z, again)
    assert np.array_equal(z.sum(1), np.ones(400))
    assert 2 <= z.shape[1] <= 4
    right = {}
    for name in ("task", "secret"):
        counts = np.stack([z[others.labels[name] == k].sum(0) for k in (0, 1)])
        right[name] = counts.max(0).sum() / 400
    assert right["task"] > 0.95
    assert right["secret"] < 0.6


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"comparison\.methods\.leaves: 1"):
        MethodsConfig(leaves=1)
    with pytest.raises(ConfigError, match=r"comparison\.methods\.fairness: 1\.5"):
        structs.replace(MethodsConfig(), fairness=1.5)
