"""One file of encoder and head gives what the two give one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.helpers.encoders import encoder, write_encoder
from tests.helpers.onnx_builders import base
from tests.helpers.shards import make_shards
from tiprdc.encoders.composition import join, operator_set
from tiprdc.encoders.encoder import open_encoder
from tiprdc.sandbox.validator import inspect_model
from tiprdc.training.encoder_config import EncoderConfig

HEAD = base(shape=["batch", 4])


@pytest.mark.parametrize("pixels", ["0..255", "0..1", "-1..1", "imagenet"])
@pytest.mark.parametrize(("layout", "channels"), [("nchw", "rgb"), ("nhwc", "bgr")])
def test_joined_file_takes_raw_pictures_and_gives_the_heads_features(
    tmp_path: Path, pixels: str, layout: str, channels: str
) -> None:
    schema = make_shards(tmp_path / "shards", "image", people=40)
    path = write_encoder(tmp_path / "e.onnx", encoder(4, opset=13, layout=layout))
    config = EncoderConfig(path=str(path), pixels=pixels, channels=channels)  # type: ignore[arg-type]
    opened = open_encoder(config, schema)
    head = onnx.ModelProto()
    head.CopyFrom(HEAD)
    model = join(onnx.load(path), opened.document, head, (3, 16, 16))
    onnx.checker.check_model(model, full_check=True)
    inspect_model(model.SerializeToString(), "joined")
    assert operator_set(model) == 20
    x = np.random.default_rng(0).integers(256, size=(5, 3, 16, 16)).astype(np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [value.name for value in session.get_inputs()] == ["x"]
    (z,) = session.run(["z"], {"x": x})
    np.testing.assert_allclose(z, opened.features(x) @ np.ones((4, 3)), rtol=1e-4, atol=1e-4)
