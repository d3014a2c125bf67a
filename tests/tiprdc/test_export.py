"""The file agrees with torch, is the same every time, and says what it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tiprdc import checkpoint
from tiprdc.datasets.schema import Modality, Schema, read_split
from tiprdc.errors import ConfigError, ModelError
from tiprdc.export import ExportConfig, compare, export, open_session, sha256
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.release import build
from tiprdc.trainer import ScheduleConfig, Trainer
from tiprdc.training import GameConfig

MakeShards = Callable[..., Schema]
TOKENIZER = '{"version": "1.0"}'


def _checkpoints(folder: Path, schema: Schema) -> None:
    for role, weight in (("protected", 0.9), ("unprotected", 0.0)):
        trainer = Trainer(
            GameConfig(privacy_weight=weight),
            ExtractorConfig(width=8, features=6),
            ScheduleConfig(),
            InputSpec.of(schema),
            {"secret": 2},
            seed=len(role),
        )
        checkpoint.save(trainer, folder / role)


@pytest.mark.parametrize("modality", ["image", "table", "text"])
def test_a_release_of_every_kind_agrees_with_torch_on_any_batch(
    tmp_path: Path, make_shards: MakeShards, modality: Modality
) -> None:
    shards, release = tmp_path / "shards", tmp_path / "release"
    schema = make_shards(shards, modality)
    (shards / "tokenizer.json").write_text(TOKENIZER)
    _checkpoints(tmp_path / "ck", schema)
    build(
        ExportConfig(parity_records=100),
        shards=shards, checkpoint=tmp_path / "ck", release=release, control=tmp_path / "control",
    )  # fmt: skip

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
        wanted = extractor(torch.from_numpy(x)).numpy()
    for count in (1, 7):
        z = session.run(["z"], {"x": x[:count]})[0]
        np.testing.assert_allclose(z, wanted[:count], atol=1e-4)
    assert sha256(release / "extractor.onnx") != sha256(tmp_path / "control" / "unprotected.onnx")


@pytest.mark.parametrize("guard", [False, True])
def test_no_linear_attacker_finds_the_secret_in_the_file_that_has_a_guard(
    tmp_path: Path, make_shards: MakeShards, guard: bool
) -> None:
    """On the people of extractor-train and in 64 bits, for the theorem is about no others."""
    schema = make_shards(tmp_path / "shards", "image", people=600)
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    trainer = Trainer(
        GameConfig(privacy_weight=0.0, closed_form=0.0, adversaries=0),
        ExtractorConfig(width=8, features=6, guard=guard),
        ScheduleConfig(epochs=1, batch=60),
        InputSpec.of(schema), {"secret": 2}, seed=0,
    )  # fmt: skip
    trainer.play_epoch(records)
    path, config = tmp_path / "extractor.onnx", ExportConfig()
    export(trainer.game.extractor.eval(), path, config)
    assert compare(trainer.game.extractor, path, records.x, config).max_abs <= 1e-4
    z = open_session(path).run(["z"], {"x": records.x})[0].astype(np.float64)
    u = records.labels["secret"].astype(np.float64)
    z, u = z - z.mean(0), u - u.mean()
    fit = np.linalg.lstsq(z, u, rcond=1e-14)[0]
    explained = 1 - np.square(u - z @ fit).sum() / np.square(u).sum()
    assert explained < 0.02 if guard else explained > 0.3


def _tiny() -> Extractor:
    torch.manual_seed(0)
    spec = InputSpec(modality="image", shape=(3, 16, 16))
    return Extractor(ExtractorConfig(width=8, features=4), spec).eval()


_EXPORT = """
import sys, torch, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_export import _tiny
from tiprdc.export import ExportConfig, export
export(_tiny(), Path({path!r}), ExportConfig())
"""


def test_two_processes_write_the_same_bytes_without_a_trace_of_the_machine(tmp_path: Path) -> None:
    here, there = tmp_path / "here.onnx", tmp_path / "there.onnx"
    export(_tiny(), here, ExportConfig())
    code = _EXPORT.format(tests=str(Path(__file__).parent), path=str(there))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert here.read_bytes() == there.read_bytes()
    assert b".py" not in here.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"here.onnx", "there.onnx"}


def test_a_file_that_differs_from_torch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "extractor.onnx"
    extractor = _tiny()
    export(extractor, path, ExportConfig())
    x = np.zeros((4, 3, 16, 16), dtype=np.uint8)
    assert compare(extractor, path, x, ExportConfig()).max_abs <= 1e-4
    model = onnx.load(path)
    weight = next(
        t for t in model.graph.initializer if t.dims and t.data_type == onnx.TensorProto.FLOAT
    )
    weight.raw_data = bytes(np.full(list(weight.dims), 0.5, dtype=np.float32))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="differs from torch by"):
        compare(extractor, path, x, ExportConfig())


def test_a_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"export.tolerance: 1.0"):
        ExportConfig(tolerance=1.0)
