"""Linear methods: features of extractor-train's directions, erased of the private attributes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tiprdc.baselines.base import FitInputs, MethodsConfig
from tiprdc.baselines.methods import METHODS
from tiprdc.baselines.noise import Gaussian
from tiprdc.datasets.schema import Schema, read_split
from tiprdc.models.inputs import InputSpec

MakeShards = Callable[..., Schema]


@pytest.mark.parametrize("modality", ["image", "table"])
def test_erasure_removes_the_private_attribute_and_leaves_the_task(
    modality: str, tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, modality, people=400)
    records = read_split(tmp_path, schema, "extractor-train")
    inputs = FitInputs(records=records, schema=schema, config=MethodsConfig(), seed=0)
    accuracy = {}
    for name in ("pca", "pca_leace"):
        with torch.inference_mode():
            z = METHODS[name].fit(inputs)(torch.from_numpy(records.x)).numpy()
        for attribute in ("secret", "task"):
            u = records.labels[attribute]
            few = z[:, :6]
            accuracy[name, attribute] = LogisticRegression().fit(few, u).score(few, u)
    assert accuracy["pca", "secret"] > 0.9
    assert accuracy["pca_leace", "secret"] < 0.6
    assert min(accuracy[name, "task"] for name in ("pca", "pca_leace")) > 0.9


def test_settings_decide_width_and_noise(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "image", people=60)
    records = read_split(tmp_path, schema, "extractor-train")
    config = MethodsConfig(linear_features=7, linear_noise=0.6)
    for name in ("pca", "pca_leace", "projection"):
        network = METHODS[name].fit(
            FitInputs(records=records, schema=schema, config=config, seed=0)
        )
        assert network(torch.from_numpy(records.x[:3])).shape == (3, 7)
        assert METHODS[name].noise(InputSpec.of(schema), config) == Gaussian(0.6)


def test_projection_depends_on_the_seed(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table", people=60)
    records = read_split(tmp_path, schema, "extractor-train")
    z = [
        METHODS["projection"]
        .fit(FitInputs(records=records, schema=schema, config=MethodsConfig(), seed=seed))(
            torch.from_numpy(records.x)
        )
        .numpy()
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(z[0], z[1])
    assert not np.allclose(z[0], z[2])
