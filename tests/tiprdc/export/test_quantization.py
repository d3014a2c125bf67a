"""Variants of a release: smaller, close to the original, described, and refused beyond a limit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from msgspec import structs

from tests.helpers.release_samples import write_release
from tiprdc.audit.own_model import OwnModel
from tiprdc.datasets.schema import Column, Modality, Schema, read_schema, read_split
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.export.build import build, build_variant
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import compare_features, file_features
from tiprdc.export.quantization import quantize
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import VARIANTS, read_contract
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.runtime.extractor import Extractor as Deployed
from tiprdc.runtime.session import open_session
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

MakeShards = Callable[..., Schema]
IMAGE = InputSpec(modality="image", shape=(3, 16, 16))
CONFIG = ExportConfig(parity_records=100, calibration_records=64)


def make_network(spec: InputSpec = IMAGE, width: int = 16, **channel: Any) -> Extractor:
    """Random weights, features of variance 1."""
    torch.manual_seed(0)
    extractor = Extractor(ExtractorConfig(width=width, features=6, **channel), spec)
    x = make_images(256) if spec is IMAGE else np.full((256, *spec.shape), 1e6, np.float32)
    with torch.no_grad():
        for _ in range(20):
            extractor(torch.from_numpy(x))
    extractor.eval()
    extractor.fold()
    return extractor


def make_images(count: int) -> Any:
    return np.random.default_rng(0).integers(256, size=(count, 3, 16, 16), dtype=np.uint8)


def make_release(root: Path, schema: Schema) -> dict[str, Path]:
    """A release of untrained networks; where its parts are."""
    for role in ("protected", "unprotected"):
        trainer = Trainer(
            ObjectiveConfig(), ExtractorConfig(width=16, features=6), ScheduleConfig(),
            InputSpec.of(schema), {"secret": 2}, seed=len(role),
        )  # fmt: skip
        checkpoint.save(trainer, root / "ck" / role)
    parts = {"shards": root / "shards", "checkpoint": root / "ck", "release": root / "release"}
    build(CONFIG, **parts, unprotected=root / "unprotected")
    return parts


@pytest.fixture(scope="module")
def image_release(
    tmp_path_factory: pytest.TempPathFactory, make_shards: MakeShards
) -> dict[str, Path]:
    """A release for images."""
    root = tmp_path_factory.mktemp("images")
    return make_release(root, make_shards(root / "shards", "image"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose features have variance 1."""
    path = tmp_path_factory.mktemp("source") / "extractor.onnx"
    export(make_network(), path, CONFIG)
    return path


@pytest.mark.parametrize("modality", ["image", "table", "text", "audio"])
def test_variant_is_a_release_with_its_difference_in_the_manifest(
    tmp_path: Path, make_shards: MakeShards, image_release: dict[str, Path], modality: Modality
) -> None:
    if modality == "image":
        parts = image_release
    else:
        schema = make_shards(tmp_path / "shards", modality)
        (tmp_path / "shards" / "tokenizer.json").write_text('{"version": "1.0"}')
        parts = make_release(tmp_path, schema)
    original = read_contract(parts["release"] / "manifest.json")
    assert original.variant is None
    x = read_split(parts["shards"], read_schema(parts["shards"]), "attacker-test").x
    for variant in VARIANTS:
        out = tmp_path / variant
        build_variant(CONFIG, variant, **parts, out=out)
        contract = read_contract(out / "manifest.json")
        said = contract.variant
        assert said is not None
        assert (said.name, said.of, said.records) == (variant, original.model_sha256, 100)
        assert set(contract.files) == set(original.files)
        for name, file in contract.files.items():
            assert (sha256(out / name), (out / name).stat().st_size) == (file.sha256, file.bytes)
        own = {
            "name": f"extractor-{variant}", "files": contract.files, "parity": contract.parity,
            "variant": said,
        }  # fmt: skip
        assert contract == structs.replace(original, **own)

        reference, z = (file_features(f / "extractor.onnx")(x) for f in (parts["release"], out))
        difference = np.abs(z - reference)
        assert 0 < difference.mean() <= 3 * said.mean_abs <= 3 * said.max_abs
        assert contract.parity.max_abs == pytest.approx(said.max_abs, abs=1e-4)
        assert contract.parity.records == 100
        assert z.dtype == np.float32


@pytest.mark.parametrize(("variant", "share", "mean"), [("int8", 0.45, 0.03), ("fp16", 0.6, 1e-3)])
def test_variant_is_smaller_and_close(
    tmp_path: Path, source: Path, variant: str, share: float, mean: float
) -> None:
    target, x = tmp_path / "variant.onnx", make_images(200)
    quantize(source, target, variant, x[:64])
    assert compare_features(file_features(source), file_features(target), x).mean_abs < mean
    assert target.stat().st_size < share * source.stat().st_size
    OwnModel(target.read_bytes()).check_batches(x[:32])


def test_variant_beyond_the_tolerance_is_refused(
    tmp_path: Path, image_release: dict[str, Path]
) -> None:
    config = structs.replace(CONFIG, variants_tolerance=1e-9)
    with pytest.raises(ModelError, match=r"differs from .*extractor\.onnx by .* on average"):
        build_variant(config, "int8", **image_release, out=tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_attacker_splits_do_not_shape_a_variant(
    tmp_path: Path, image_release: dict[str, Path]
) -> None:
    shards = shutil.copytree(image_release["shards"], tmp_path / "shards")
    for split in ("attacker-train", "attacker-select", "attacker-test"):
        for file in (shards / split).iterdir():
            file.write_bytes(next((shards / "extractor-train").iterdir()).read_bytes())
    for name, parts in (("one", image_release), ("two", {**image_release, "shards": shards})):
        build_variant(CONFIG, "int8", **parts, out=tmp_path / name)
    one, two = (tmp_path / name / "extractor.onnx" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_calibration_records_set_the_ranges(tmp_path: Path, source: Path) -> None:
    """Without this the test above could not fail."""
    for name, x in (("one", make_images(64)), ("two", make_images(64) // 8)):
        quantize(source, tmp_path / name, "int8", x)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def test_variant_keeps_noise_and_levels(tmp_path: Path) -> None:
    source, x = tmp_path / "extractor.onnx", make_images(200)
    export(make_network(clip=2.0, release_noise=0.5, bits=3), source, CONFIG)
    for variant in VARIANTS:
        target = tmp_path / variant
        quantize(source, target, variant, x[:64])
        before, after = (file_features(path)(x) for path in (source, target))
        assert 0 < np.abs(before - after).mean() < 0.03
        noises = [n for n in onnx.load(target).graph.node if n.op_type == "RandomNormalLike"]
        assert len(noises) == 1
        assert not [a for a in noises[0].attribute if a.name == "seed"]
        OwnModel(target.read_bytes()).check_batches(x[:32])
        session = open_session(target)
        z, again = (session.run(["z"], {"x": x})[0] for _ in range(2))
        assert len(np.unique(z)) <= 8
        assert not (z == again).all()


def test_large_numbers_of_a_table_keep_32_bits(tmp_path: Path) -> None:
    """16 bits cannot represent a million; int8 refuses a model with small layers alone."""
    columns = (Column(name="n", mean=1e6, std=1e5),) * 2
    spec = InputSpec(modality="table", shape=(2,), columns=columns)
    source, target = tmp_path / "extractor.onnx", tmp_path / "variant.onnx"
    export(make_network(spec, width=8), source, CONFIG)
    x = (1e6 + 1e5 * np.random.default_rng(0).normal(size=(100, 2))).astype(np.float32)
    quantize(source, target, "fp16", x)
    assert compare_features(file_features(source), file_features(target), x).max_abs < 1e-2
    with pytest.raises(ModelError, match="no layer with an integer version is large enough"):
        quantize(source, target, "int8", x)


def test_device_opens_a_variant(tmp_path: Path, image_release: dict[str, Path]) -> None:
    build_variant(CONFIG, "int8", **image_release, out=tmp_path)
    assert Deployed.load(tmp_path)(make_images(3)).shape == (3, 6)


_QUANTIZE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_quantization import make_images
from tiprdc.export.quantization import quantize
quantize(Path({source!r}), Path({target!r}), {variant!r}, make_images(64))
"""


@pytest.mark.parametrize("variant", ["int8", "fp16"])
def test_quantization_is_deterministic(tmp_path: Path, source: Path, variant: str) -> None:
    here, there = tmp_path / "here.onnx", tmp_path / "there.onnx"
    quantize(source, here, variant, make_images(64))
    code = _QUANTIZE.format(
        tests=str(Path(__file__).parent), source=str(source), target=str(there), variant=variant
    )
    # A different order of sets than in this process.
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert here.read_bytes() == there.read_bytes()
    assert b".py" not in here.read_bytes()
    assert str(tmp_path).encode() not in here.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"here.onnx", "there.onnx"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variants": ("int4",)}, r"(?s)export\.variants: int4.*did you mean 'int8'"),
        ({"variants": ("int8", "int8")}, "at most once"),
        ({"variants_tolerance": 0.0}, r"export\.variants_tolerance"),
        ({"calibration_records": 0}, r"export\.calibration_records"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ExportConfig(**settings)


def test_invalid_manifest_of_a_variant_is_refused(tmp_path: Path) -> None:
    said = {"name": "int8", "of": "a" * 64, "max_abs": 0.1, "mean_abs": 0.01, "records": 10}
    release = write_release(tmp_path / "release", variant=said)
    assert read_contract(release / "manifest.json").variant is not None
    for wrong in ({"name": "int4"}, {"of": "../x"}, {"mean_abs": float("nan")}, {"records": None}):
        manifest = json.loads((release / "manifest.json").read_text())
        manifest["variant"] = {**said, **wrong}
        (tmp_path / "wrong.json").write_text(json.dumps(manifest))
        with pytest.raises(DataError):
            read_contract(tmp_path / "wrong.json")
