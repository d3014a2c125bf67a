"""PASS: its loss, and what a substitute tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from msgspec import structs
from sklearn.linear_model import LogisticRegression

from tiprdc.baselines.base import FitInputs, MethodsConfig
from tiprdc.baselines.pass_ import Pass, substitution_loss
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]


def test_loss_has_the_entropies_of_the_substitute() -> None:
    u = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    # Always, for each class of u, and for each record of a class one of four substitutes.
    constant, by_class, by_record = (
        (torch.eye(4)[rows] + 1e-30).log() for rows in ([0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1])
    )
    uniform = torch.full((4, 4), 0.25).log()
    for log_p, expected in (
        (constant, 0.0), (by_class, 0.0), (by_record, -math.log(2)),
        (uniform, -math.log(4) + 0.3 * math.log(4)),
    ):  # fmt: skip
        assert substitution_loss(log_p, u, [2], 0.3).item() == pytest.approx(expected, abs=1e-5)
    two = substitution_loss(uniform, torch.cat([u, u], dim=1), [2, 2], 0.3)
    assert two.item() == pytest.approx(2 * (-math.log(4) + 0.3 * math.log(4)), abs=1e-5)


def test_substitute_tells_the_task_and_not_the_private_attribute(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table", people=600)
    records = read_split(tmp_path, schema, "extractor-train")
    config = MethodsConfig(
        extractor=ExtractorConfig(width=8, features=6),
        schedule=ScheduleConfig(epochs=6, batch=64, extractor_rate=3e-3),
    )
    network = Pass().fit(FitInputs(records=records, schema=schema, config=config, seed=0))
    others = read_split(tmp_path, schema, "attacker-test")
    x = torch.from_numpy(others.x)
    with torch.inference_mode():
        before, z, again = network.extractor(x), network(x), network(x)
    # Every draw is one of the list, at most a quarter of the records, and draws differ.
    assert len(network.released) == 150
    assert (z[:, None] == network.released).all(2).any(1).all()
    assert not torch.equal(z, again)
    right = {}
    for name, values in (("before", before), ("after", z)):
        for attribute in ("secret", "task"):
            u = others.labels[attribute]
            probe = LogisticRegression().fit(values[:300], u[:300])
            right[name, attribute] = probe.score(values[300:], u[300:])
    assert min(right["before", "secret"], right["before", "task"]) > 0.9
    assert right["after", "secret"] < 0.6
    assert right["after", "task"] > 0.8


def test_wrong_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"comparison\.methods\.entropy_weight: 2"):
        structs.replace(MethodsConfig(), entropy_weight=2.0)
