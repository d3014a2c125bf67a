"""A frozen encoder: refused in words where it cannot be used, its features computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, helper

from tests.helpers.encoders import encoder, write_encoder
from tests.helpers.shards import make_shards
from tiprdc.datasets.schema import Schema, read_schema, read_split
from tiprdc.datasets.tables.vector_names import is_vector
from tiprdc.encoders.cache import encode_shards
from tiprdc.encoders.encoder import Encoder, open_encoder, stored_encoder
from tiprdc.errors import ConfigError, ModelError
from tiprdc.training.encoder_config import EncoderConfig


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    return make_shards(tmp_path / "shards", "image", people=60)


def opened(path: Path, schema: Schema, model: ModelProto | None = None, **config: Any) -> Encoder:
    write_encoder(path / "e.onnx", model)
    stated = {"path": str(path / "e.onnx"), "pixels": "0..1", **config}
    return open_encoder(EncoderConfig(**stated), schema)


def encode(encoder: Encoder, path: Path, schema: Schema) -> Path:
    return encode_shards(encoder, path / "shards", schema, path / "cache", lambda share: None)


def node(name: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, list(inputs), ["z"], **attributes)


@pytest.mark.parametrize(
    ("model", "config", "words"),
    [
        (
            encoder(nodes=[node("Magic", "flat", domain="acme")]), {},
            r"'Magic' of the domain 'acme'(.|\n)*export it again",
        ),
        (
            encoder(size=24), {},
            r"24 x 24, the shards have 16 x 16(.|\n)*set prepare\.manifest\.size to 24",
        ),
        (encoder(batch=4), {}, r"exactly 4 records at a time(.|\n)*Dim\('batch'\)"),
        (encoder(nodes=[node("RandomNormalLike", "flat")]), {}, "draws random numbers"),
        (encoder(), {"pixels": None}, r"train\.encoder\.pixels: not given"),
        (encoder(), {"output": "y"}, r"train\.encoder\.output: y"),
    ],
)  # fmt: skip
def test_encoders_that_cannot_be_used_are_refused_with_a_hint(
    tmp_path: Path, schema: Schema, model: ModelProto, config: dict[str, Any], words: str
) -> None:
    with pytest.raises((ModelError, ConfigError), match=words) as error:
        opened(tmp_path, schema, model, **config)
    assert error.value.hint or error.value.expected


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            encoder(nodes=[helper.make_node("Neg", ["flat"], ["o"]), node("Log", "o")]),
            r"not finite(.|\n)*hint",
        ),
        (
            encoder(nodes=[node("Sub", "flat", "flat")]),
            r"same features for each of \d+ records(.|\n)*train\.encoder\.pixels",
        ),
        (encoder(5000), r"5,000 numbers a record(.|\n)*train\.encoder\.output"),
    ],
)  # fmt: skip
def test_features_that_cannot_be_used_are_refused_with_a_hint(
    tmp_path: Path, schema: Schema, model: ModelProto, words: str
) -> None:
    with pytest.raises(ModelError, match=words) as error:
        encode(opened(tmp_path, schema, model), tmp_path, schema)
    assert error.value.hint


def test_weights_in_another_file_are_refused_with_what_puts_them_into_one(
    tmp_path: Path, schema: Schema
) -> None:
    path = tmp_path / "e.onnx"
    onnx.save(encoder(), path, save_as_external_data=True, location="weights", size_threshold=0)
    config = EncoderConfig(path=str(path), pixels="0..1")
    with pytest.raises(ModelError, match="save_as_external_data=False"):
        open_encoder(config, schema)
    onnx.save(onnx.load(path), path, save_as_external_data=False)
    assert open_encoder(config, schema).document.output == "z"


def test_encoded_shards_hold_the_encoders_features_as_vectors(
    tmp_path: Path, schema: Schema
) -> None:
    encoder = opened(tmp_path, schema)
    folder = encode(encoder, tmp_path, schema)
    vectors = read_schema(folder)
    assert (vectors.modality, vectors.shape, is_vector(vectors.columns)) == ("table", (12,), True)
    pictures = read_split(tmp_path / "shards", schema, "extractor-train")
    records = read_split(folder, vectors, "extractor-train")
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx")
    (z,) = session.run(None, {"x": pictures.x.astype(np.float32) / 255})
    np.testing.assert_allclose(records.x, z, atol=1e-6)
    np.testing.assert_array_equal(records.labels["secret"], pictures.labels["secret"])
    assert vectors.columns[3].mean == pytest.approx(z[:, 3].mean(), abs=1e-5)


def test_features_are_computed_once_and_after_a_kill_from_the_next_shard(
    tmp_path: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = opened(tmp_path, schema)
    folder = encode(encoder, tmp_path, schema)
    whole = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    computed = list[int]()
    features = Encoder.features
    monkeypatch.setattr(
        Encoder, "features", lambda self, x: computed.append(len(x)) or features(self, x)
    )
    assert encode(encoder, tmp_path, schema) == folder
    assert computed == []
    first = min((folder / "extractor-train").iterdir())
    first.unlink()
    (folder / "schema.json").unlink()
    encode(encoder, tmp_path, schema)
    assert len(computed) == 1
    assert whole == {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_another_range_of_pixels_is_another_folder(tmp_path: Path, schema: Schema) -> None:
    folders = {
        encode(opened(tmp_path, schema, pixels=pixels), tmp_path, schema)
        for pixels in ("0..1", "imagenet")
    }
    assert len(folders) == 2


def test_the_licence_is_kept_from_metadata_a_text_beside_the_file_or_the_user(
    tmp_path: Path, schema: Schema
) -> None:
    assert "not stated" in next(opened(tmp_path, schema).document.notes())
    assert "licence: Ours." in next(opened(tmp_path, schema, licence=" Ours\n").document.notes())
    (tmp_path / "LICENSE").write_bytes(b"\n  MIT License \r\n\n\x1b[31mCopyright \xff\n\n")
    beside = opened(tmp_path, schema).document
    assert "MIT License (as LICENSE" in next(beside.notes())
    assert beside.licence_text == "  MIT License\n\n\ufffd[31mCopyright \ufffd\n"
    named = opened(tmp_path, schema, encoder(licence="cc-by-4.0")).document
    assert "Its licence: cc-by-4.0. Its text: LICENSE.encoder.txt." in next(named.notes())
    assert named.licence_text == beside.licence_text


@pytest.mark.parametrize("metadata", ["mit", ""])
def test_a_licence_that_contradicts_file_or_text_is_refused(
    tmp_path: Path, schema: Schema, metadata: str
) -> None:
    if not metadata:
        (tmp_path / "COPYING").write_text("mit")
    with pytest.raises(ConfigError, match=r"Ours, and the encoder has one: mit(.|\n)*leave"):
        opened(tmp_path, schema, encoder(licence=metadata), licence="Ours")


def test_a_licence_text_beyond_the_limit_is_refused(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "LICENSE").write_text("a" * 65_537)
    with pytest.raises(ModelError, match=r"LICENSE: 65,537 bytes\n.*at most 65,536 bytes"):
        opened(tmp_path, schema)


def test_a_stored_encoder_that_changed_is_refused(tmp_path: Path, schema: Schema) -> None:
    opened(tmp_path, schema).store(tmp_path)
    stored = stored_encoder(tmp_path)
    assert stored is not None
    write_encoder(tmp_path / "encoder.onnx", encoder(13))
    with pytest.raises(ModelError, match="not the encoder that was trained on"):
        stored_encoder(tmp_path)
