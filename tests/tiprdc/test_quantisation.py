"""A variant is smaller, takes and gives the same, says how far it is off, and is refused beyond."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tiprdc import checkpoint
from tiprdc.contract import read_contract
from tiprdc.datasets.schema import Column, Modality, Schema, read_split
from tiprdc.deployed import Extractor as Deployed
from tiprdc.documents import sha256
from tiprdc.errors import ConfigError, ModelError
from tiprdc.export import ExportConfig, difference, exact_features, export
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.quantisation import quantise
from tiprdc.release import build, build_variant
from tiprdc.session import open_session
from tiprdc.trainer import ScheduleConfig, Trainer
from tiprdc.training import GameConfig

MakeShards = Callable[..., Schema]
IMAGE = InputSpec(modality="image", shape=(3, 16, 16))
CONFIG = ExportConfig(parity_records=100, calibration_records=64)


def _network(spec: InputSpec = IMAGE, **settings: Any) -> Extractor:
    """Random weights, features of variance 1."""
    torch.manual_seed(0)
    extractor = Extractor(ExtractorConfig(width=16, features=6, **settings), spec)
    x = torch.from_numpy(_pictures(256)) if spec.modality == "image" else torch.zeros(2, 2)
    if spec.modality == "image":
        with torch.no_grad():
            for _ in range(20):
                extractor(x)
    extractor.eval()
    extractor.fold()
    return extractor


def _pictures(count: int) -> Any:
    return np.random.default_rng(0).integers(256, size=(count, 3, 16, 16), dtype=np.uint8)


def _folders(root: Path, schema: Schema, config: ExportConfig = CONFIG) -> dict[str, Path]:
    """A release of untrained networks, and where its parts are."""
    for role in ("protected", "unprotected"):
        trainer = Trainer(
            GameConfig(), ExtractorConfig(width=16, features=6), ScheduleConfig(),
            InputSpec.of(schema), {"secret": 2}, seed=len(role),
        )  # fmt: skip
        trainer.game.extractor.eval()
        checkpoint.save(trainer, root / "ck" / role)
    folders = {
        "shards": root / "shards", "checkpoint": root / "ck", "release": root / "release"
    }  # fmt: skip
    build(config, **folders, control=root / "control")
    return folders


@pytest.mark.parametrize("variant", ["int8", "fp16"])
@pytest.mark.parametrize("modality", ["image", "table", "text"])
def test_a_variant_is_a_release_that_says_how_far_it_is_off(
    tmp_path: Path, make_shards: MakeShards, modality: Modality, variant: str
) -> None:
    schema = make_shards(tmp_path / "shards", modality)
    (tmp_path / "shards" / "tokenizer.json").write_text('{"version": "1.0"}')
    folders, out = _folders(tmp_path, schema), tmp_path / "variant"
    build_variant(CONFIG, variant, **folders, out=out)

    contract, original = read_contract(out / "manifest.json"), read_contract(
        folders["release"] / "manifest.json"
    )  # fmt: skip
    said = contract.variant
    assert said is not None
    assert (said.name, said.of, said.records) == (variant, original.model_sha256, 100)
    assert original.variant is None
    assert contract.raw["name"] == f"extractor-{variant}"
    assert set(contract.files) == set(original.files)
    for name, (digest, size) in contract.files.items():
        assert (sha256(out / name), (out / name).stat().st_size) == (digest, size)
    same = replace(original, files=contract.files, parity=contract.parity, variant=said, raw={})
    assert replace(contract, raw={}) == same

    x = read_split(folders["shards"], schema, "attacker-test").x
    z = [open_session(f / "extractor.onnx").run(["z"], {"x": x})[0]
         for f in (folders["release"], out)]  # fmt: skip
    apart = np.abs(z[0] - z[1])
    assert 0 < apart.mean() <= said.mean_abs * 3
    assert said.mean_abs <= said.max_abs
    assert contract.parity[0] == pytest.approx(said.max_abs, abs=1e-4)
    assert z[1].dtype == np.float32


@pytest.mark.parametrize(("variant", "share", "mean"), [("int8", 0.45, 0.03), ("fp16", 0.6, 1e-3)])
def test_a_variant_is_smaller_and_near(
    tmp_path: Path, variant: str, share: float, mean: float
) -> None:
    source, target = tmp_path / "extractor.onnx", tmp_path / "variant.onnx"
    export(_network(), source, CONFIG)
    x = _pictures(200)
    quantise(source, target, variant, x[:64])
    apart = difference(exact_features(source), exact_features(target), x)
    assert apart.mean_abs < mean
    assert target.stat().st_size < share * source.stat().st_size


def test_a_variant_that_is_too_far_off_is_refused(tmp_path: Path, make_shards: MakeShards) -> None:
    folders = _folders(tmp_path, make_shards(tmp_path / "shards", "image"))
    with pytest.raises(ModelError, match=r"differs from .*extractor\.onnx by .* on average"):
        build_variant(
            replace(CONFIG, variants_tolerance=1e-9), "int8", **folders, out=tmp_path / "variant"
        )
    assert not (tmp_path / "variant" / "manifest.json").exists()


def test_nobody_whom_attackers_know_shapes_a_variant(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    folders = _folders(tmp_path, make_shards(tmp_path / "shards", "image"))
    build_variant(CONFIG, "int8", **folders, out=tmp_path / "one")
    for split in ("attacker-train", "attacker-select", "attacker-test"):
        for file in (tmp_path / "shards" / split).iterdir():
            source = next((tmp_path / "shards" / "extractor-train").iterdir())
            file.write_bytes(source.read_bytes())
    build_variant(CONFIG, "int8", **folders, out=tmp_path / "two")
    one, two = (tmp_path / name / "extractor.onnx" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_ranges_come_from_records(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    source = tmp_path / "extractor.onnx"
    export(_network(), source, CONFIG)
    for name, x in (("one", _pictures(64)), ("two", _pictures(64) // 8)):
        quantise(source, tmp_path / name, "int8", x)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("variant", ["int8", "fp16"])
def test_noise_and_levels_are_as_they_were(tmp_path: Path, variant: str) -> None:
    source, target = tmp_path / "extractor.onnx", tmp_path / "variant.onnx"
    export(_network(bounded=2.0, release_noise=0.5, bits=3), source, CONFIG)
    x = _pictures(200)
    quantise(source, target, variant, x[:64])
    before, after = (exact_features(path)(x) for path in (source, target))
    assert 0 < np.abs(before - after).mean() < 0.03
    noises = [n for n in onnx.load(target).graph.node if n.op_type == "RandomNormalLike"]
    assert len(noises) == 1
    assert not [a for a in noises[0].attribute if a.name == "seed"]
    session = open_session(target)
    z, again = (session.run(["z"], {"x": x})[0] for _ in range(2))
    assert len(np.unique(z)) <= 8
    assert not (z == again).all()


def test_large_numbers_of_a_table_are_standardised_in_32_bits(tmp_path: Path) -> None:
    columns = (Column(name="n", mean=1e6, std=1e5),) * 2
    spec = InputSpec(modality="table", shape=(2,), columns=columns)
    source, target = tmp_path / "extractor.onnx", tmp_path / "variant.onnx"
    export(_network(spec), source, CONFIG)
    x = (1e6 + 1e5 * np.random.default_rng(0).normal(size=(100, 2))).astype(np.float32)
    quantise(source, target, "fp16", x)
    assert difference(exact_features(source), exact_features(target), x).max_abs < 1e-2


def test_a_file_without_large_layers_has_no_int8(tmp_path: Path) -> None:
    spec = InputSpec(modality="table", shape=(2,), columns=(Column(name="n", std=1.0),) * 2)
    export(_network(spec, family="mlp"), tmp_path / "extractor.onnx", CONFIG)
    model = onnx.load(tmp_path / "extractor.onnx")
    sizes = [int(np.prod(t.dims)) for t in model.graph.initializer]
    if max(sizes) >= 4096:
        pytest.fail("a smaller network is needed here")
    with pytest.raises(ModelError, match="large enough"):
        quantise(tmp_path / "extractor.onnx", tmp_path / "v.onnx", "int8", np.zeros((1, 2)))


def test_a_device_opens_a_variant(tmp_path: Path, make_shards: MakeShards) -> None:
    folders = _folders(tmp_path, make_shards(tmp_path / "shards", "image"))
    build_variant(CONFIG, "int8", **folders, out=tmp_path / "variant")
    assert Deployed.load(tmp_path / "variant")(_pictures(3)).shape == (3, 6)


_QUANTISE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_quantisation import _pictures
from tiprdc.quantisation import quantise
quantise(Path({source!r}), Path({target!r}), {variant!r}, _pictures(64))
"""


@pytest.mark.parametrize("variant", ["int8", "fp16"])
def test_two_processes_write_the_same_bytes(tmp_path: Path, variant: str) -> None:
    source, here, there = (tmp_path / f"{name}.onnx" for name in ("source", "here", "there"))
    export(_network(), source, CONFIG)
    quantise(source, here, variant, _pictures(64))
    code = _QUANTISE.format(
        tests=str(Path(__file__).parent), source=str(source), target=str(there), variant=variant
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        assert here.read_bytes() == there.read_bytes()
    assert b".py" not in here.read_bytes()
    assert str(tmp_path).encode() not in here.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"source.onnx", "here.onnx", "there.onnx"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variants": ("int4",)}, r"export\.variants: int4.*did you mean 'int8'"),
        ({"variants": ("int8", "int8")}, "at most once"),
        ({"variants_tolerance": 0.0}, r"export\.variants_tolerance"),
        ({"calibration_records": 0}, r"export\.calibration_records"),
    ],
)
def test_settings_that_make_no_variant_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ExportConfig(**settings)


def test_the_manifest_of_a_variant_that_no_release_has_is_refused(tmp_path: Path) -> None:
    from tests.releases import write_release
    from tiprdc.errors import DataError

    said = {"name": "int8", "of": "a" * 64, "max_abs": 0.1, "mean_abs": 0.01, "records": 10}
    release = write_release(tmp_path / "release", variant=said)
    assert read_contract(release / "manifest.json").variant is not None
    for wrong in ({"name": "int4"}, {"of": "../x"}, {"mean_abs": float("nan")}, {"records": None}):
        manifest = json.loads((release / "manifest.json").read_text())
        manifest["variant"] = {**said, **wrong}
        (tmp_path / "wrong.json").write_text(json.dumps(manifest))
        with pytest.raises(DataError):
            read_contract(tmp_path / "wrong.json")
