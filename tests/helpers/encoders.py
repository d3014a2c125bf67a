"""Small encoders of pictures as ONNX files, with the names that our own graphs use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


def encoder(
    width: int = 12,
    *,
    size: int = 16,
    opset: int = 20,
    layout: str = "nchw",
    batch: str | int = "n",
    nodes: list[NodeProto] | None = None,
    licence: str = "",
) -> ModelProto:
    """z = tanh(x W), `[n, width]`, of pictures float32; or other nodes on `flat` and `w`."""
    shape = [3, size, size] if layout == "nchw" else [size, size, 3]
    weight = np.random.default_rng(0).standard_normal((3 * size * size, width))
    last = nodes or [
        helper.make_node("MatMul", ["flat", "w"], ["exact"]),
        helper.make_node("Tanh", ["exact"], ["z"]),
    ]
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), *last], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, None])],
        [numpy_helper.from_array((weight / 20).astype(np.float32), "w")],
    )  # fmt: skip
    domains = {node.domain for node in last} | {""}
    opsets = [helper.make_opsetid(domain, opset if domain == "" else 1) for domain in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if licence:
        helper.set_model_props(model, {"license": licence})
    return model


def write_encoder(path: Path, model: ModelProto | None = None) -> Path:
    onnx.save(model or encoder(), path)
    return path
