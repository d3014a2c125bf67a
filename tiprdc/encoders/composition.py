"""Joins an encoder and a trained head to one ONNX file: raw pictures in, features out.

The file has the release's own input: what the encoder's training did to pictures (range, layout,
order of channels) becomes part of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import (
    ModelProto,
    NodeProto,
    TensorProto,
    compose,
    helper,
    numpy_helper,
    version_converter,
)

from tiprdc.encoders.document import EncoderDocument
from tiprdc.encoders.pictures import IMAGENET_MEAN, IMAGENET_STD, PictureAdapter
from tiprdc.errors import ModelError

PREFIX = "encoder/"
"""Before every name of the encoder's graph, so that none clashes with the head's."""
Step = tuple[str, NDArray[Any] | None, dict[str, Any]]
"""Operator, its second input if any, and its attributes."""
_INPUT, _RECORD, _VECTOR = "x", "encoder_input", "vector"


def join(
    encoder: ModelProto, document: EncoderDocument, head: ModelProto, shape: tuple[int, ...]
) -> ModelProto:
    """One graph `[B, *shape]` uint8 -> the head's outputs.

    Args:
        encoder: The encoder's own graph.
        document: How it is run.
        head: A graph from vectors `x` to features.
        shape: (3, H, W).

    Raises:
        ModelError: onnx cannot bring the encoder to the head's operator set.
    """
    opset = operator_set(head)
    encoder = _prepared(encoder, document, opset)
    before = _before(document.adapter, shape, opset)
    after = _after(encoder, f"{PREFIX}{document.output}", opset)
    for graph in (encoder, before, after):
        graph.ir_version = max(head.ir_version, encoder.ir_version)
    head.ir_version = encoder.ir_version
    _rename_input(head, _VECTOR)
    model = compose.merge_models(before, encoder, [(_RECORD, f"{PREFIX}{document.input}")],
                                 outputs=[f"{PREFIX}{document.output}"])  # fmt: skip
    model = compose.merge_models(model, after, [(f"{PREFIX}{document.output}", "encoded")])
    model = compose.merge_models(model, head, [(_VECTOR, f"{_VECTOR}_in")])
    # Merging lists a domain once for each part.
    versions = {o.domain: o.version for o in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*item) for item in versions.items())
    return model


def operator_set(model: ModelProto) -> int:
    """Version of ONNX's own operators."""
    return next(int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx"))


def _prepared(model: ModelProto, document: EncoderDocument, opset: int) -> ModelProto:
    """The encoder in an operator set, with prefixed names, and with weights that are no inputs."""
    graph = ModelProto()
    graph.CopyFrom(model)
    if operator_set(graph) != opset:
        try:
            graph = version_converter.convert_version(graph, opset)
        # onnx raises RuntimeError or its own class.
        except Exception as error:
            raise ModelError(
                document.name, f"onnx cannot convert it from operator set {operator_set(model)} to"
                f" {opset}", f"an encoder of operator set {opset}",
                f"export it again with opset_version={opset}",
            ) from error  # fmt: skip
    weights = {tensor.name for tensor in graph.graph.initializer}
    inputs = [value for value in graph.graph.input if value.name not in weights]
    del graph.graph.input[:], graph.graph.value_info[:], graph.metadata_props[:]
    graph.graph.input.extend(inputs)
    used = {node.domain for node in graph.graph.node} - {"", "ai.onnx"}
    others = [(o.domain, o.version) for o in graph.opset_import if o.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(*item) for item in [("", opset), *others])
    return compose.add_prefix(graph, PREFIX)


def _before(adapter: PictureAdapter, shape: tuple[int, ...], opset: int) -> ModelProto:
    """The release's input -> the encoder's: as `PictureAdapter` converts pictures."""
    steps = list(_steps(adapter))
    names = [_INPUT, *(f"picture_{n}" for n in range(1, len(steps))), _RECORD]
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
    graph = helper.make_graph(
        nodes, "before",
        [helper.make_tensor_value_info(_INPUT, TensorProto.UINT8, ["batch", *shape])],
        [helper.make_tensor_value_info(_RECORD, kind, ["batch", *arranged])], tensors,
    )  # fmt: skip
    return _model(graph, opset)


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


def _after(encoder: ModelProto, output: str, opset: int) -> ModelProto:
    """The encoder's output -> one float32 vector a record."""
    value = next(value for value in encoder.graph.output if value.name == output)
    source = onnx.ValueInfoProto()
    source.CopyFrom(value)
    source.name = "encoded"
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["encoded"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["numbers"], [_VECTOR], axis=1),
        ],
        "after", [source],
        [helper.make_tensor_value_info(_VECTOR, TensorProto.FLOAT, ["batch", None])],
    )  # fmt: skip
    return _model(graph, opset)


def _model(graph: onnx.GraphProto, opset: int) -> ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _rename_input(head: ModelProto, name: str) -> None:
    """Rename the head's only input, whose name the joined file's own input has."""
    new = f"{name}_in"
    head.graph.input[0].name = new
    for node in head.graph.node:
        for number, taken in enumerate(node.input):
            if taken == _INPUT:
                node.input[number] = new
