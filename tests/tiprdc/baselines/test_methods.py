"""Every method fits on a few people and gives finite features of its shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import structs

from tiprdc.baselines.base import FitInputs, Method, MethodsConfig
from tiprdc.baselines.methods import METHODS, method_named
from tiprdc.datasets.schema import Modality, Records, Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, export, features_shape
from tiprdc.export.parity import check_parity
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.config import TrainConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

MakeShards = Callable[..., Schema]
MODALITIES: tuple[Modality, ...] = ("image", "table", "text")
# Shape of a raw record: 16 x 16 in colour; 2 numbers and two one-hot blocks; 12 tokens.
RAW_SHAPES = {"image": (3, 16, 16), "table": (2 + 4 + 3,), "text": (12,)}
CONFIG = MethodsConfig(
    extractor=ExtractorConfig(width=8, features=6),
    schedule=ScheduleConfig(epochs=2, batch=16, warm_up=0.5),
    objective=ObjectiveConfig(memory=32, refit_every=2),
    ours=TrainConfig(
        extractor=ExtractorConfig(width=8, features=6, release_noise=0.1),
        schedule=ScheduleConfig(epochs=2, batch=16, warm_up=0.5),
        objective=ObjectiveConfig(memory=32, refit_every=2),
    ),
    components=4,
    linear_features=4,
    erasure_steps=2,
)
LINEAR = ("pca", "pca_leace", "projection")


@pytest.fixture(params=MODALITIES)
def planted(
    request: pytest.FixtureRequest, tmp_path: Path, make_shards: MakeShards
) -> tuple[Schema, Records]:
    schema = make_shards(tmp_path, request.param, people=40)
    return schema, read_split(tmp_path, schema, "extractor-train")


def _inputs(
    records: Records, schema: Schema, seed: int, report: Callable[[int], None] = lambda _: None
) -> FitInputs:
    return FitInputs(records=records, schema=schema, config=CONFIG, seed=seed, report=report)


def supports(method: Method, schema: Schema) -> bool:
    return method.name != "noisy" or schema.modality != "text"


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_method_gives_finite_features_of_its_shape(
    method: Method, planted: tuple[Schema, Records]
) -> None:
    schema, records = planted
    if not supports(method, schema):
        with pytest.raises(ConfigError, match="token ids are not quantities"):
            method.fit(_inputs(records, schema, 0))
        return
    epochs: list[int] = []
    network = method.fit(_inputs(records, schema, 0, epochs.append))
    with torch.inference_mode():
        z = network(torch.from_numpy(records.x)).numpy()
    noise = method.noise(network.spec, CONFIG)
    released = noise(z, np.random.default_rng(0)) if noise else z

    shape = RAW_SHAPES[schema.modality] if method.name in ("raw", "noisy", "dp") else (6,)
    shape = (4,) if method.name in ("hybrid", *LINEAR) else shape
    shape = z.shape[1:] if method.name == "fare" else shape  # as many as the tree has leaves
    assert released.shape == z.shape == (40, *shape)
    assert features_shape(network) == shape
    assert np.isfinite(released).all()
    assert (noise is not None) == (method.name in ("noisy", "dp", "hybrid", *LINEAR))
    assert (noise is None) or not np.array_equal(released, z)
    without = {"raw", "noisy", "dp", *LINEAR, *(["fare"] if schema.modality == "table" else [])}
    assert epochs == ([] if method.name in without else [1, 2])


def test_recordings_have_no_bound_that_noise_could_hide(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "audio", people=40)
    inputs = _inputs(read_split(tmp_path, schema, "extractor-train"), schema, 0)
    with pytest.raises(ConfigError, match=r"^dp: recordings(.|\n)*leave dp out"):
        METHODS["dp"].fit(inputs)
    assert METHODS["noisy"].fit(inputs)(torch.from_numpy(inputs.records.x)).shape[1:] == (1, 40, 48)


@pytest.mark.parametrize("name", ["pan", "leace", "kernel_ratio", "obliviator", "pass"])
def test_same_seed_gives_the_same_network(name: str, planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    x = torch.from_numpy(records.x)
    networks = [METHODS[name].fit(_inputs(records, schema, seed)) for seed in (0, 0, 1)]
    with torch.inference_mode():
        first, same_seed, other_seed = (network(x) for network in networks)
    assert torch.equal(first, same_seed)
    assert not torch.equal(first, other_seed)


@pytest.mark.parametrize(
    "name", ["pan", "leace", "kernel_ratio", "obliviator", "bottleneck", "tiprdc_published"]
)
def test_exported_file_agrees_with_torch(
    tmp_path: Path, make_shards: MakeShards, name: str
) -> None:
    schema = make_shards(tmp_path, "image", people=40)
    records = read_split(tmp_path, schema, "extractor-train")
    network = METHODS[name].fit(_inputs(records, schema, 0))
    export(network, tmp_path / "z.onnx", ExportConfig())
    assert check_parity(network, tmp_path / "z.onnx", records.x, ExportConfig()).max_abs <= 1e-4


def test_methods_without_export_are_marked() -> None:
    not_exported = {name for name, method in METHODS.items() if not method.exported}
    assert not_exported == {"raw", "noisy", "dp", "hybrid", "pass", "fare", *LINEAR}


def test_methods_for_a_known_task_need_one(planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    with_task = {name for name, method in METHODS.items() if method.knows_task}
    assert with_task == {"pan", "maxent", "deepobfuscator", "fare"}
    for name in with_task:
        with pytest.raises(ConfigError, match=f"{name}: no utility attribute"):
            METHODS[name].fit(_inputs(records, replace(schema, utility=()), 0))


def test_raw_is_the_record(planted: tuple[Schema, Records]) -> None:
    schema, records = planted
    z = METHODS["raw"].fit(_inputs(records, schema, 0))(torch.from_numpy(records.x)).numpy()
    if schema.modality != "table":
        assert np.array_equal(z, records.x)
        return
    level, kind = (records.x[:, 0] - 0.5) / 1.0, records.x[:, 2]
    np.testing.assert_allclose(z[:, 0], level, rtol=1e-6)
    assert np.array_equal(np.argmax(z[:, 2:6], axis=1), kind)


def test_misspelt_method_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'maxent'"):
        method_named("maxnet", "methods")


def test_configuration_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"comparison.methods.epsilon: 0.0"):
        MethodsConfig(epsilon=0.0)


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_release_noise_applies_to_our_methods_only(
    method: Method, tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table", people=40)
    inputs = _inputs(read_split(tmp_path, schema, "extractor-train"), schema, 0)
    noisy = structs.replace(CONFIG, extractor=structs.replace(CONFIG.extractor, release_noise=0.1))
    network = method.fit(replace(inputs, config=noisy))
    x = torch.from_numpy(inputs.records.x)
    with torch.inference_mode():
        repeatable = torch.equal(network(x), network(x))
    # bottleneck has its own noise, and pass draws a substitute.
    assert repeatable == (method.name not in ("ours", "adversarial_only", "bottleneck", "pass"))
