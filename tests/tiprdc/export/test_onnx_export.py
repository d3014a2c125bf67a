"""The exported ONNX file: parity with torch, determinism, noise, and the manifest beside it."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer

from tiprdc.audit.own_model import OwnModel
from tiprdc.datasets.schema import Column, Modality, Schema, read_split, write_schema
from tiprdc.datasets.tokenizer import encode, train_tokenizer, vocabulary_size
from tiprdc.errors import ConfigError, ModelError
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_parity
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunks.bag_of_words import BagOfWords
from tiprdc.runtime.session import open_session
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

MakeShards = Callable[..., Schema]
TOKENIZER = '{"version": "1.0"}'
CHANNELS: dict[str, dict[str, Any]] = {
    "noise": {"release_noise": 0.5},
    "levels": {"clip": 2.0, "bits": 3},
    "both": {"clip": 2.0, "release_noise": 0.5, "bits": 3},
}


def save_checkpoints(folder: Path, schema: Schema, **architecture: Any) -> None:
    for role, weight in (("protected", 0.9), ("unprotected", 0.0)):
        trainer = Trainer(
            ObjectiveConfig(privacy_weight=weight),
            ExtractorConfig(width=8, features=6, **architecture),
            ScheduleConfig(),
            InputSpec.of(schema),
            {"secret": 2},
            seed=len(role),
        )
        checkpoint.save(trainer, folder / role)


@pytest.mark.parametrize("modality", ["image", "table", "text", "audio"])
def test_release_of_every_modality_agrees_with_torch(
    tmp_path: Path, make_shards: MakeShards, modality: Modality
) -> None:
    shards, release = tmp_path / "shards", tmp_path / "release"
    schema = make_shards(shards, modality)
    (shards / "tokenizer.json").write_text(TOKENIZER)
    save_checkpoints(tmp_path / "ck", schema)
    build(
        ExportConfig(parity_records=100),
        shards=shards,
        checkpoint=tmp_path / "ck",
        release=release,
        unprotected=tmp_path / "unprotected",
    )

    manifest = json.loads((release / "manifest.json").read_text())
    assert manifest["input"]["shape"] == ["batch", *schema.shape]
    assert manifest["output"]["shape"] == ["batch", 6]
    assert manifest["parity"]["records"] == 100
    assert manifest["parity"]["max_abs"] <= 1e-4
    for name, file in manifest["files"].items():
        assert sha256(release / name) == file["sha256"]
    assert ("tokenizer.json" in manifest["files"]) == (modality == "text")

    x = read_split(shards, schema, "attacker-test").x
    session = open_session(release / "extractor.onnx")
    extractor = checkpoint.load_extractor(tmp_path / "ck" / "protected")
    with torch.inference_mode():
        expected = extractor(torch.from_numpy(x)).numpy()
    for count in (1, 7):
        z = session.run(["z"], {"x": x[:count]})[0]
        np.testing.assert_allclose(z, expected[:count], atol=1e-4)
    assert sha256(release / "extractor.onnx") != sha256(
        tmp_path / "unprotected" / "unprotected.onnx"
    )


@pytest.mark.parametrize("family", ["bag", "lstm", "transformer"])
def test_text_gives_the_same_features_from_the_release_alone(
    tmp_path: Path, make_shards: MakeShards, family: str
) -> None:
    texts = ["The river is wide", "the river is deep", "A river, the wide one", "", "r " * 99]
    tokenizer = train_tokenizer(texts, map(str, range(5)), vocabulary=300, length=12)
    shards, release = tmp_path / "shards", tmp_path / "release"
    schema = replace(make_shards(shards, "text"), vocabulary_size=vocabulary_size(tokenizer))
    schema = write_schema(shards, schema, [])
    (shards / "tokenizer.json").write_text(tokenizer)
    save_checkpoints(tmp_path / "ck", schema, family=family)
    build(
        ExportConfig(), shards=shards, checkpoint=tmp_path / "ck", release=release,
        unprotected=tmp_path / "unprotected",
    )  # fmt: skip

    found = Tokenizer.from_file(str(release / "tokenizer.json")).encode_batch(texts)
    x = np.array([encoding.ids for encoding in found], dtype=np.int32)
    z = open_session(release / "extractor.onnx").run(["z"], {"x": x})[0]
    extractor = checkpoint.load_extractor(tmp_path / "ck" / "protected")
    with torch.inference_mode():
        expected = extractor(torch.from_numpy(encode(tokenizer, texts))).numpy()
    np.testing.assert_allclose(z, expected, atol=1e-5)
    assert np.abs(z[0] - z[1]).max() > 1e-3


def test_word_counts_of_the_training_texts_are_not_released(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = InputSpec(modality="text", shape=(6,), vocabulary_size=50)
    extractor = Extractor(ExtractorConfig(width=8, features=4), spec).train()
    extractor(torch.randint(1, 50, (40, 6), dtype=torch.int32))
    extractor.eval().fold()
    export(extractor, tmp_path / "z.onnx", ExportConfig())
    graph = onnx.load(tmp_path / "z.onnx").graph
    found = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    of_words = [value for value in found.values() if value.shape == (50,)]
    assert [value.dtype for value in of_words] == [np.float32]
    bag = extractor.trunk
    assert isinstance(bag, BagOfWords)
    np.testing.assert_array_equal(of_words[0], bag.weights.numpy())
    assert not any("holders" in name or "texts" in name for name in found)


def test_whitening_does_not_amplify_rounding_errors(tmp_path: Path) -> None:
    """Features with a large mean and directions of 1 to 1e-3, as an LSTM made of real posts."""
    torch.manual_seed(0)
    spec = InputSpec(modality="table", shape=(64,), columns=(Column(name="n", std=1.0),) * 64)
    extractor = Extractor(ExtractorConfig(width=16, features=32), spec)
    x = torch.randn(4096, 64)
    with torch.no_grad():
        out = extractor.trunk.out
        weight = torch.linalg.svd(out.weight, full_matrices=False)
        out.weight.copy_(weight.U @ torch.diag(torch.logspace(0, -3, 32)) @ weight.Vh)
        out.bias.fill_(30.0)
        for _ in range(200):
            extractor(x)
    extractor.eval()
    exactly = copy.deepcopy(extractor).double()
    exactly.fold()
    with torch.inference_mode():
        exact = exactly(x.double()).float()

    def error() -> float:
        with torch.inference_mode():
            return float((extractor(x) - exact).abs().max())

    before = error()
    extractor.fold()
    assert before > 1e-4
    assert error() < 2e-5
    export(extractor, tmp_path / "z.onnx", ExportConfig())
    assert check_parity(extractor, tmp_path / "z.onnx", x.numpy(), ExportConfig()).max_abs < 2e-5


@pytest.mark.parametrize("channel", CHANNELS)
def test_file_applies_noise_and_levels_without_a_seed(tmp_path: Path, channel: str) -> None:
    path, settings = tmp_path / "extractor.onnx", CHANNELS[channel]
    extractor = small_extractor(**settings)
    export(extractor, path, ExportConfig())
    x = np.random.default_rng(0).integers(256, size=(500, 3, 16, 16), dtype=np.uint8)
    assert check_parity(extractor, path, x, ExportConfig()).max_abs <= 1e-4

    OwnModel(path.read_bytes()).check_batches(x[:32])
    model = onnx.load(path)
    noises = [node for node in model.graph.node if node.op_type.startswith("Random")]
    assert len(noises) == ("release_noise" in settings)
    assert not [a for node in noises for a in node.attribute if a.name == "seed"]
    assert [output.name for output in model.graph.output] == ["z"]

    session = open_session(path)
    z, again = (session.run(["z"], {"x": x})[0] for _ in range(2))
    assert (z == again).all() == (not noises)
    with torch.inference_mode():
        exact = extractor.features_before_release(torch.from_numpy(x)).numpy()
    if "bits" in settings:
        assert len(np.unique(z)) <= 2 ** settings["bits"]
        assert np.abs(z).max() <= settings["clip"]
    else:
        assert (z - exact).std() == pytest.approx(0.5, rel=0.1)
    if not noises:
        assert np.abs(z - exact).max() <= 2.0 / 7 + 1e-4


def test_bottleneck_release_adds_noise_of_deviation_1(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    """From the checkpoint to the file: m(x) agrees with torch, and z is m(x) and the noise."""
    schema = make_shards(tmp_path / "shards", "image", people=600)
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    trainer = Trainer(
        ObjectiveConfig(bottleneck=0.1, kernel_adversary=0.0, memory=0),
        ExtractorConfig(width=8, features=4),
        ScheduleConfig(epochs=2, batch=60, extractor_rate=5e-3),
        InputSpec.of(schema), {"secret": 2}, seed=0,
    )  # fmt: skip
    trainer.train_epoch(records)
    checkpoint.save(trainer, tmp_path / "ck")
    path, extractor = tmp_path / "z.onnx", checkpoint.load_extractor(tmp_path / "ck")
    export(extractor, path, ExportConfig())
    assert check_parity(extractor, path, records.x, ExportConfig()).max_abs <= 1e-4
    z, again = (open_session(path).run(["z"], {"x": records.x})[0] for _ in range(2))
    with torch.inference_mode():
        mean = extractor.features_before_release(torch.from_numpy(records.x)).numpy()
    for noise in (z - mean, again - mean):
        assert noise.std() == pytest.approx(1, rel=0.1)
        assert abs(noise.mean()) < 0.1
        assert np.abs(np.corrcoef(noise.T, mean.T)[:4, 4:]).max() < 0.2
    # Training made the mean informative: the features are not noise alone.
    assert mean.std() > 0.3


def test_manifest_of_a_bottleneck_release_has_noise_and_no_false_bound(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path / "shards", "table")
    rules = ObjectiveConfig(bottleneck=0.1, kernel_adversary=0.0, memory=0)
    for clip, most in ((0.0, None), (2.0, 3 * math.log2(5))):
        for role, game in (("protected", rules), ("unprotected", rules.unprotected())):
            config = ExtractorConfig(width=8, features=6, clip=clip)
            config = config.unprotected() if role == "unprotected" else config
            spec = InputSpec.of(schema)
            trainer = Trainer(game, config, ScheduleConfig(), spec, {"secret": 2}, seed=0)
            checkpoint.save(trainer, tmp_path / "ck" / role)
        build(
            ExportConfig(), shards=tmp_path / "shards", checkpoint=tmp_path / "ck",
            release=tmp_path / "release", unprotected=tmp_path / "unprotected",
        )  # fmt: skip
        contract = read_contract(tmp_path / "release" / "manifest.json")
        assert (contract.output.clip, contract.output.noise, contract.output.bits) == (clip, 1.0, 0)
        # The mean KL is over training people; capacity holds for any input.
        assert contract.most_bits.record == (None if most is None else pytest.approx(most))


def test_seed_of_the_process_determines_the_noise(tmp_path: Path) -> None:
    """So levels give the safer bound, and a device keeps its session: docs/threat-model.md."""
    path = tmp_path / "extractor.onnx"
    export(small_extractor(release_noise=0.5), path, ExportConfig())
    x = np.zeros((4, 3, 16, 16), dtype=np.uint8)

    def first() -> Any:
        return open_session(path).run(["z"], {"x": x})[0]

    ort.set_seed(5)
    noisy, same = first(), first()
    ort.set_seed(6)
    assert (noisy == same).all()
    assert not (noisy == first()).all()


def test_manifest_has_the_upper_bounds_of_information(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path / "shards", "table")
    save_checkpoints(tmp_path / "ck", schema, clip=1.0, release_noise=10.0, bits=4)
    build(
        ExportConfig(), shards=tmp_path / "shards", checkpoint=tmp_path / "ck",
        release=tmp_path / "release", unprotected=tmp_path / "unprotected",
    )  # fmt: skip
    contract = read_contract(tmp_path / "release" / "manifest.json")
    assert (contract.output.clip, contract.output.noise, contract.output.bits) == (1.0, 10.0, 4)
    assert contract.most_bits.record == pytest.approx(3 * math.log2(1.01))
    assert contract.most_bits.private == {"secret": 1.0}


@pytest.mark.parametrize("leace", [False, True])
def test_leace_file_hides_the_secret_from_linear_attackers(
    tmp_path: Path, make_shards: MakeShards, leace: bool
) -> None:
    """On extractor-train and in 64 bits: the theorem holds for these alone."""
    schema = make_shards(tmp_path / "shards", "image", people=600)
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    trainer = Trainer(
        ObjectiveConfig(privacy_weight=0.0, kernel_adversary=0.0, adversaries=0),
        ExtractorConfig(width=8, features=6, leace=leace),
        ScheduleConfig(epochs=1, batch=60),
        InputSpec.of(schema), {"secret": 2}, seed=0,
    )  # fmt: skip
    trainer.train_epoch(records)
    path, config = tmp_path / "extractor.onnx", ExportConfig()
    export(trainer.game.extractor.eval(), path, config)
    assert check_parity(trainer.game.extractor, path, records.x, config).max_abs <= 1e-4
    z = open_session(path).run(["z"], {"x": records.x})[0].astype(np.float64)
    u = records.labels["secret"].astype(np.float64)
    z, u = z - z.mean(0), u - u.mean()
    fit = np.linalg.lstsq(z, u, rcond=1e-14)[0]
    explained = 1 - np.square(u - z @ fit).sum() / np.square(u).sum()
    assert explained < 0.02 if leace else explained > 0.3


def small_extractor(**channel: Any) -> Extractor:
    torch.manual_seed(0)
    spec = InputSpec(modality="image", shape=(3, 16, 16))
    return Extractor(ExtractorConfig(width=8, features=4, **channel), spec).eval()


_EXPORT = """
import sys, torch, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_onnx_export import small_extractor
from tiprdc.export.onnx_export import ExportConfig, export
export(small_extractor(**{channel!r}), Path({path!r}), ExportConfig())
"""


@pytest.mark.parametrize("channel", [{}, CHANNELS["both"]])
def test_export_is_deterministic_without_traces_of_the_machine(
    tmp_path: Path, channel: dict[str, Any]
) -> None:
    here, there = tmp_path / "here.onnx", tmp_path / "there.onnx"
    export(small_extractor(**channel), here, ExportConfig())
    code = _EXPORT.format(tests=str(Path(__file__).parent), path=str(there), channel=channel)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert here.read_bytes() == there.read_bytes()
    assert b".py" not in here.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"here.onnx", "there.onnx"}


def test_file_that_differs_from_torch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "extractor.onnx"
    extractor = small_extractor()
    export(extractor, path, ExportConfig())
    x = np.zeros((4, 3, 16, 16), dtype=np.uint8)
    assert check_parity(extractor, path, x, ExportConfig()).max_abs <= 1e-4
    model = onnx.load(path)
    weight = next(
        t for t in model.graph.initializer if t.dims and t.data_type == onnx.TensorProto.FLOAT
    )
    weight.raw_data = bytes(np.full(list(weight.dims), 0.5, dtype=np.float32))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="differs from torch by"):
        check_parity(extractor, path, x, ExportConfig())


def test_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"export.tolerance: 1.0"):
        ExportConfig(tolerance=1.0)
