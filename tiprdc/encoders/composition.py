"""Joins an encoder and a trained head to one ONNX file: records in, features out.

The file has the release's own input. What the encoder's training did to pictures (range, layout,
order of channels), the mask of a text and the pooling of its tokens become part of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import GraphProto, ModelProto, TensorProto, compose, helper, version_converter

from tiprdc.encoders.document import EncoderDocument
from tiprdc.encoders.picture_graph import picture_graph
from tiprdc.encoders.pictures import PictureAdapter
from tiprdc.encoders.text_graph import pooling_graph, token_graph
from tiprdc.encoders.texts import TextAdapter
from tiprdc.errors import ModelError
from tiprdc.sandbox.execution import Pooling

PREFIX = "encoder/"
"""Before every name of the encoder's graph, so that none clashes with the head's."""
_INPUT, _RECORD, _ENCODED, _VECTOR = "x", "encoder_input_", "encoded", "vector"


def join(
    encoder: ModelProto, document: EncoderDocument, head: ModelProto, shape: tuple[int, ...]
) -> ModelProto:
    """One graph `[B, *shape]` of records -> the head's outputs.

    Args:
        encoder: The encoder's own graph.
        document: How it is run.
        head: A graph from vectors `x` to features.
        shape: Of one record: (3, H, W) uint8 or (T,) int32.

    Raises:
        ModelError: onnx cannot bring the encoder to the head's operator set.
    """
    opset = operator_set(head)
    encoder = _prepared(encoder, document, opset)
    output = f"{PREFIX}{document.output}"
    targets = {name: f"{_RECORD}{number}" for number, name in enumerate(document.adapter.inputs)}
    before = _model(_before(document.adapter, shape, targets), opset)
    after = _model(_after(encoder, output, document.pooling), opset)
    for graph in (encoder, before, after):
        graph.ir_version = max(head.ir_version, encoder.ir_version)
    head.ir_version = encoder.ir_version
    _rename_input(head, _VECTOR)
    # Outputs of `before` that the encoder does not take are for `after`.
    further = {value.name for value in after.graph.input} - {_ENCODED}
    links = [(target, f"{PREFIX}{name}") for name, target in targets.items()]
    passed = [name.removesuffix("_in") for name in further]
    model = compose.merge_models(before, encoder, links, outputs=[output, *passed])
    links = [(output, _ENCODED), *((name, f"{name}_in") for name in passed)]
    model = compose.merge_models(model, after, links)
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


def _before(
    adapter: PictureAdapter | TextAdapter, shape: tuple[int, ...], targets: Mapping[str, str]
) -> GraphProto:
    """The release's input -> the encoder's inputs."""
    if isinstance(adapter, TextAdapter):
        return token_graph(adapter, shape, _INPUT, targets)
    return picture_graph(adapter, shape, _INPUT, targets[adapter.name])


def _after(encoder: ModelProto, output: str, pooling: Pooling) -> GraphProto:
    """The encoder's output -> one float32 vector a record."""
    value = next(value for value in encoder.graph.output if value.name == output)
    source = onnx.ValueInfoProto()
    source.CopyFrom(value)
    source.name = _ENCODED
    if pooling != "none":
        return pooling_graph(pooling, source, _VECTOR)
    return helper.make_graph(
        [
            helper.make_node("Cast", [_ENCODED], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["numbers"], [_VECTOR], axis=1),
        ],
        "after", [source],
        [helper.make_tensor_value_info(_VECTOR, TensorProto.FLOAT, ["batch", None])],
    )  # fmt: skip


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
