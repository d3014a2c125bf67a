"""The graph that gives raw pictures to an encoder, as `PictureAdapter` converts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from tiprdc.encoders.pictures import IMAGENET_MEAN, IMAGENET_STD, PictureAdapter

Step = tuple[str, NDArray[Any] | None, dict[str, Any]]
"""Operator, its second input if any, and its attributes."""


def picture_graph(
    adapter: PictureAdapter, shape: tuple[int, ...], source: str, target: str
) -> GraphProto:
    """From `[B, *shape]` uint8 to the encoder's input.

    Args:
        adapter: Of the encoder.
        shape: (3, H, W).
        source, target: Names of the input and of the output.
    """
    steps = list(_steps(adapter))
    names = [source, *(f"picture_{n}" for n in range(1, len(steps))), target]
    nodes: list[NodeProto] = []
    tensors: list[TensorProto] = []
    for (operator, constant, attributes), taken, made in zip(steps, names, names[1:], strict=False):
        inputs = [taken]
        if constant is not None:
            tensors.append(numpy_helper.from_array(constant, f"{made}_by"))
            inputs.append(f"{made}_by")
        nodes.append(helper.make_node(operator, inputs, [made], **attributes))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(adapter.dtype))
    arranged = shape if adapter.layout == "nchw" else (*shape[1:], shape[0])
    return helper.make_graph(
        nodes, "before",
        [helper.make_tensor_value_info(source, TensorProto.UINT8, ["batch", *shape])],
        [helper.make_tensor_value_info(target, kind, ["batch", *arranged])], tensors,
    )  # fmt: skip


def _steps(adapter: PictureAdapter) -> Iterator[Step]:
    if adapter.pixels != "0..255":
        yield "Cast", None, {"to": TensorProto.FLOAT}
    if adapter.pixels in ("0..1", "imagenet"):
        yield "Div", np.array([255], np.float32), {}
    if adapter.pixels == "-1..1":
        yield "Div", np.array([127.5], np.float32), {}
        yield "Sub", np.array([1], np.float32), {}
    if adapter.pixels == "imagenet":
        yield "Sub", IMAGENET_MEAN.astype(np.float32).reshape(3, 1, 1), {}
        yield "Div", IMAGENET_STD.astype(np.float32).reshape(3, 1, 1), {}
    if adapter.channels == "bgr":
        yield "Gather", np.array([2, 1, 0], np.int64), {"axis": 1}
    if adapter.layout == "nhwc":
        yield "Transpose", None, {"perm": [0, 2, 3, 1]}
    yield "Cast", None, {"to": helper.np_dtype_to_tensor_dtype(np.dtype(adapter.dtype))}
