"""Every method learns on a few people and gives finite features of the shape that it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from tiprdc.baselines.base import Given, Method, MethodsConfig
from tiprdc.baselines.methods import METHODS, method_named
from tiprdc.datasets.schema import Modality, Records, Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, compare, export, features_shape
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
MODALITIES: tuple[Modality, ...] = ("image", "table", "text")
# What a record is read as: 16 x 16 in colour; 2 numbers and two one-hot blocks; 12 tokens.
AS_IT_IS = {"image": (3, 16, 16), "table": (2 + 4 + 3,), "text": (12,)}
CONFIG = MethodsConfig(
    extractor=ExtractorConfig(width=8, features=6),
    schedule=ScheduleConfig(epochs=2, batch=16, warm_up=0.5),
    objective=ObjectiveConfig(memory=32, refit_every=2),
    components=4,
)


@pytest.fixture(params=MODALITIES)
def planted(
    request: pytest.FixtureRequest, tmp_path: Path, make_shards: MakeShards
) -> tuple[Schema, Records]:
    schema = make_shards(tmp_path, request.param, people=40)
    return schema, read_split(tmp_path, schema, "extractor-train")


def _given(
    records: Records, schema: Schema, seed: int, report: Callable[[int], None] = lambda _: None
) -> Given:
    return Given(records=records, schema=schema, config=CONFIG, seed=seed, report=report)


def suits(method: Method, schema: Schema) -> bool:
    return method.name != "noisy" or schema.modality != "text"


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_a_method_gives_finite_features_of_its_shape(
    method: Method, planted: tuple[Schema, Records]
) -> None:
    schema, records = planted
    if not suits(method, schema):
        with pytest.raises(ConfigError, match="token ids are no quantities"):
            method.fit(_given(records, schema, 0))
        return
    epochs: list[int] = []
    network = method.fit(_given(records, schema, 0, epochs.append))
    with torch.inference_mode():
        z = network(torch.from_numpy(records.x)).numpy()
    noise = method.noise(network.spec, CONFIG)
    sent = noise(z, np.random.default_rng(0)) if noise else z

    wanted = AS_IT_IS[schema.modality] if method.name in ("raw", "noisy", "dp") else (6,)
    wanted = (4,) if method.name == "hybrid" else wanted
    assert sent.shape == z.shape == (40, *wanted)
    assert features_shape(network) == wanted
    assert np.isfinite(sent).all()
    assert (noise is not None) == (method.name in ("noisy", "dp", "hybrid"))
    assert (noise is None) or not np.array_equal(sent, z)
    assert epochs == ([] if method.name in ("raw", "noisy", "dp") else [1, 2])


@pytest.mark.parametrize("name", ["pan", "leace"])
def test_the_same_seed_gives_the_same_network(name: str, planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    x = torch.from_numpy(records.x)
    networks = [METHODS[name].fit(_given(records, schema, seed)) for seed in (0, 0, 1)]
    with torch.inference_mode():
        first, again, other = (network(x) for network in networks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["pan", "leace", "bottleneck", "tiprdc_published"])
def test_what_is_exported_agrees_with_torch(
    tmp_path: Path, make_shards: MakeShards, name: str
) -> None:
    schema = make_shards(tmp_path, "image", people=40)
    records = read_split(tmp_path, schema, "extractor-train")
    network = METHODS[name].fit(_given(records, schema, 0))
    export(network, tmp_path / "z.onnx", ExportConfig())
    assert compare(network, tmp_path / "z.onnx", records.x, ExportConfig()).max_abs <= 1e-4


def test_what_is_not_exported_says_so() -> None:
    told = {name for name, method in METHODS.items() if not method.exported}
    assert told == {"raw", "noisy", "dp", "hybrid"}


def test_methods_that_know_the_task_need_one(planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    knowing = {name for name, method in METHODS.items() if method.knows_task}
    assert knowing == {"pan", "maxent", "deepobfuscator"}
    for name in knowing:
        with pytest.raises(ConfigError, match=f"{name}: no utility attribute"):
            METHODS[name].fit(_given(records, replace(schema, utility=()), 0))


def test_raw_is_the_record(planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    z = METHODS["raw"].fit(_given(records, schema, 0))(torch.from_numpy(records.x)).numpy()
    if schema.modality != "table":
        assert np.array_equal(z, records.x)
        return
    level, kind = (records.x[:, 0] - 0.5) / 1.0, records.x[:, 2]
    np.testing.assert_allclose(z[:, 0], level, rtol=1e-6)
    assert np.array_equal(np.argmax(z[:, 2:6], axis=1), kind)


def test_a_misspelt_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'maxent'"):
        method_named("maxnet", "methods")


def test_the_configuration_says_what_is_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"comparison.methods.epsilon: 0.0"):
        MethodsConfig(epsilon=0.0)


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_noise_of_our_features_is_not_in_those_of_others(
    method: Method, tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table", people=40)
    given = _given(read_split(tmp_path, schema, "extractor-train"), schema, 0)
    noisy = structs.replace(CONFIG, extractor=structs.replace(CONFIG.extractor, release_noise=0.1))
    network = method.fit(replace(given, config=noisy))
    x = torch.from_numpy(given.records.x)
    with torch.inference_mode():
        again = torch.equal(network(x), network(x))
    # bottleneck has noise of its own.
    assert again == (method.name not in ("ours", "adversarial_only", "bottleneck"))
