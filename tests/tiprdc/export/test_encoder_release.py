"""A release with an encoder is one file: pictures in, protected features out, licence kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.encoders import encoder, write_encoder
from tests.helpers.shards import make_shards
from tests.helpers.trainers import finish
from tiprdc.datasets.schema import Schema, read_schema, read_split
from tiprdc.encoders.cache import encode_shards
from tiprdc.encoders.encoder import copy_encoder, open_encoder
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import read_contract
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.runtime.extractor import Extractor
from tiprdc.training import checkpoint
from tiprdc.training.encoder_config import EncoderConfig
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schema]:
    """Shards of pictures, and a release of encoder, components and head."""
    path = tmp_path_factory.mktemp("encoder")
    schema = make_shards(path / "shards", "image", people=120)
    file = write_encoder(path / "e.onnx", encoder(10, opset=13, licence="mit"))
    (path / "LICENSE").write_text("MIT License\n\nCopyright\n")
    opened = open_encoder(EncoderConfig(path=str(file), pixels="-1..1"), schema)
    folder = encode_shards(opened, path / "shards", schema, path / "cache", lambda share: None)
    vectors = read_schema(folder)
    trainer = Trainer(
        ObjectiveConfig(memory=0), ExtractorConfig(features=6, head=8, width=8),
        ScheduleConfig(epochs=1, batch=24), InputSpec.of(vectors), {"secret": 2}, seed=0,
        head=HeadConfig(epochs=1, batch=16),
    )  # fmt: skip
    finish(trainer, read_split(folder, vectors, "extractor-train"))
    for role in ("protected", "unprotected"):
        checkpoint.save(trainer, path / "ck" / role)
        copy_encoder(folder, path / "ck" / role)
    build(
        ExportConfig(), shards=path / "shards", checkpoint=path / "ck",
        release=path / "release", unprotected=path / "unprotected",
    )  # fmt: skip
    return path, schema


def test_the_file_gives_what_encoder_and_head_give(project: tuple[Path, Schema]) -> None:
    path, schema = project
    contract = read_contract(path / "release" / "manifest.json")
    assert contract.parity.max_abs < 1e-4
    assert contract.parity.records == sum(schema.records.values())
    pictures = read_split(path / "shards", schema, "attacker-test").x
    extractor = checkpoint.load_extractor(path / "ck" / "protected")
    opened = open_encoder(EncoderConfig(path=str(path / "e.onnx"), pixels="-1..1"), schema)
    with torch.inference_mode():
        expected = extractor(torch.from_numpy(opened.features(pictures))).numpy()
    z = Extractor.load(path / "release").run(pictures)
    np.testing.assert_allclose(z, expected, atol=1e-4)


def test_the_release_takes_pictures_and_names_encoder_and_licence(
    project: tuple[Path, Schema],
) -> None:
    path, _ = project
    contract = read_contract(path / "release" / "manifest.json")
    assert (contract.modality, contract.input.shape) == ("image", ("batch", 3, 16, 16))
    assert sorted(file.name for file in (path / "release").iterdir()) == [
        "LICENSE.encoder.txt", "extractor.onnx", "manifest.json",
    ]  # fmt: skip
    licence = path / "release" / "LICENSE.encoder.txt"
    assert licence.read_bytes() == b"MIT License\n\nCopyright\n"
    assert contract.files[licence.name].sha256 == sha256(licence)
    (note,) = [note for note in contract.notes if "encoder" in note]
    assert "e.onnx" in note
    assert "licence: mit" in note
