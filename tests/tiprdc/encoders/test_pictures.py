"""Pictures are given to a foreign model in its size, range, layout and order of channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tiprdc.audit.foreign.model import ForeignModel
from tiprdc.audit.foreign.records import reader_config
from tiprdc.audit.foreign.request import AuditRequest, option_names_in_errors
from tiprdc.encoders.pictures import picture_adapter
from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox import runner
from tiprdc.sandbox.execution import Run
from tiprdc.sandbox.model_info import ModelInfo, TensorInfo

REQUEST = AuditRequest(models=(), data=Path("people.csv"), private=("gender",))
FIRST, LAST = (3, 16, 16), (16, 16, 3)


def request(**changes: Any) -> AuditRequest:
    return replace(REQUEST, **changes)


def info(shape: tuple[int | None, ...], dtype: str = "float32") -> ModelInfo:
    image = TensorInfo(name="image", dtype=dtype, batch=None, shape=shape)
    return ModelInfo(
        sha256="", size=1, opset=20, opset_run=20, nodes=1, parameters=0, operators=(),
        inputs=(image,), outputs=(image,), is_random=False, seeded=False,
    )  # fmt: skip


def write_flatten(path: Path, shape: tuple[int, ...]) -> None:
    """z = the picture, flattened in the model's own layout."""
    nodes = [
        helper.make_node("Cast", ["image"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["a"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes, "pictures",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 768])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("pixels", "shape", "white"),
    [("0..255", FIRST, 255), ("0..1", FIRST, 1), ("-1..1", LAST, 1), ("imagenet", FIRST, None)],
)
def test_pictures_are_converted_to_the_range_and_layout_of_the_model(
    tmp_path: Path, pixels: str, shape: tuple[int, ...], white: float | None
) -> None:
    write_flatten(tmp_path / "m.onnx", shape)
    model = runner.validate(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="give the range to which pictures were scaled"):
        picture_adapter(model, REQUEST)
    adapter, size = picture_adapter(model, request(pixels=pixels))
    assert size == 16
    x = np.zeros((2, 3, 16, 16), np.uint8)
    x[1] = 255
    x[1, 0] = 0
    z = ForeignModel(tmp_path / "m.onnx", model, adapter, Run(output="z")).features(x)
    assert z.shape == (2, 768)
    red = z[1].reshape(LAST)[..., 0] if shape == LAST else z[1][:256]
    black = z[0].min()
    assert np.allclose(red, black)
    if white is not None:
        assert np.isclose(z[1].max(), white)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [(FIRST, "nchw"), (LAST, "nhwc"), ((None, None, 3), "nhwc"), ((3, None, None), "nchw"),
     ((None, 16, 16), "nchw"), ((16, 16, None), "nhwc")],
)  # fmt: skip
def test_layout_is_read_off_the_axis_of_three_and_said(
    shape: tuple[int | None, ...], layout: str
) -> None:
    adapter, _ = picture_adapter(info(shape), request(pixels="0..1", size=16))
    assert adapter.layout == layout
    assert layout.upper() in next(adapter.notes())


@pytest.mark.parametrize("shape", [(None, None, None), (3, 3, 3)])
def test_ambiguous_layout_is_asked_for(shape: tuple[int | None, ...]) -> None:
    size = 3 if 3 in shape else 16
    with pytest.raises(ConfigError, match="--layout: not given"):
        picture_adapter(info(shape), request(pixels="0..1", size=size))
    adapter, _ = picture_adapter(info(shape), request(pixels="0..1", size=size, layout="nhwc"))
    assert adapter.layout == "nhwc"


def test_layout_that_the_model_cannot_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="--layout: nhwc, and the model takes 3 x 16 x 16"):
        picture_adapter(info(FIRST), request(pixels="0..1", layout="nhwc"))
    with pytest.raises(ConfigError, match="--layout: hwc\n  expected: one of nchw, nhwc"):
        picture_adapter(info(FIRST), request(pixels="0..1", layout="hwc"))
    with pytest.raises(ModelError, match="RGB pictures"):
        picture_adapter(info((1, 16, 16)), request(pixels="0..1"))


@pytest.mark.parametrize("shape", [FIRST, LAST])
def test_blue_comes_first_where_the_model_takes_bgr(shape: tuple[int, ...]) -> None:
    x = np.zeros((1, 3, 16, 16), np.uint8)
    x[:, 2] = 255
    for channels, blue in (("rgb", 2), ("bgr", 0)):
        adapter, _ = picture_adapter(info(shape), request(pixels="0..1", channels=channels))
        values = adapter(x)["image"]
        by_channel = values if shape == FIRST else values.transpose(0, 3, 1, 2)
        assert by_channel.mean(axis=(0, 2, 3)).tolist() == [float(c == blue) for c in range(3)]
    with pytest.raises(ConfigError, match="--channels"):
        picture_adapter(info(shape), request(pixels="0..1", channels="gbr"))


def test_background_of_transparent_pixels_is_an_option() -> None:
    asked = request(x=("image",), background="black")
    assert reader_config(asked, "image", 16, info(FIRST), None).background == "black"
    wrong = request(x=("image",), background="red")
    with pytest.raises(ConfigError, match="--background: red"), option_names_in_errors():
        reader_config(wrong, "image", 16, info(FIRST), None)
