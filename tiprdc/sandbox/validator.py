"""Validates an ONNX file without running it: returns its input and output, or refuses it.

ONNX is a small programming language, and a runtime executes whatever a file contains: reads of
other files (external data), loops and branches, custom operators, tensors of any size. An extractor
needs none of these. So everything that is not known to be harmless is refused: operators outside
operators.py, graphs inside nodes, functions, other domains, sparse tensors, external data, and
sizes that no record has. Old operator sets are converted (conversion.py).

The cost of running a graph cannot be computed from it (`Expand` to a computed shape); the limits of
tiprdc/sandbox/worker.py bound it. Parsing a hostile file is costly too, so call this in the worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import onnx
from onnx import NodeProto

from tiprdc.formats.files import sanitize
from tiprdc.sandbox import conversion, noise, operators, signature
from tiprdc.sandbox.messages import quote, refusal
from tiprdc.sandbox.model_info import ModelInfo
from tiprdc.sandbox.tensors import check_tensors, iter_tensors

MAX_NODES = 20_000
_MAX_DOMAINS = 16


class ValidModel(NamedTuple):
    """A validated file.

    Args:
        info: What is known of it.
        graph: Its graph, converted where that was needed.
        content: The bytes to run: those of the file, unless the graph was converted.
    """

    info: ModelInfo
    graph: onnx.ModelProto
    content: bytes


def inspect_model(data: bytes, where: str) -> ValidModel:
    """Validate an ONNX file's bytes; refuse whatever an extractor does not need.

    Args:
        data: Bytes of the file.
        where: Name of the file in error messages.

    Raises:
        ModelError: It is not an ONNX model, or it is refused; the message says why.
    """
    model = _parse(data, where)
    # protobuf returns bytes where a text is not UTF-8.
    if not all(isinstance(name, str) for name in _names(model)):
        raise refusal(where, "a name that is not UTF-8", "a whole ONNX file")
    opset = _check_header(model, where)
    names = _check_nodes(model.graph.node, where, old=opset < conversion.OLDEST_RUN)
    nodes = model.graph.node
    parameters = check_tensors(iter_tensors(model.graph), where)
    if model.graph.sparse_initializer:
        raise refusal(where, "sparse tensors", "dense ones")
    signature.check_counts(model.graph, where)
    _check_order(model.graph, where)
    converted = conversion.convert(model, opset, where)
    if converted:
        _check_nodes(converted.graph.node, where, old=False)
        model = converted
    try:
        onnx.checker.check_model(model)
    # onnx raises its own class, ValueError, TypeError or RuntimeError.
    except Exception as error:
        given = f"onnx's checker refuses it: {_first_line(error)}"
        raise refusal(where, given, "a valid model") from error
    info = ModelInfo(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        opset=opset,
        opset_run=max(opset, conversion.OLDEST_RUN),
        nodes=len(nodes),
        parameters=parameters,
        operators=names,
        inputs=signature.inputs(model.graph, where),
        outputs=signature.outputs(model.graph, where),
        is_random=any(map(noise.is_random, nodes)),
        seeded=any(map(noise.has_seed, nodes)),
    )
    return ValidModel(info, model, model.SerializeToString() if converted else data)


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        # Not onnx.load: it would follow external data.
        model.ParseFromString(data)
    # protobuf's DecodeError, which onnx does not pass on as a class.
    except Exception as error:
        given = f"no ONNX model, or one that was cut short ({type(error).__name__})"
        raise refusal(where, given, "a whole ONNX file") from error
    if not model.HasField("graph") or not model.graph.node:
        raise refusal(where, "no graph, or one without nodes", "an ONNX model")
    return model


def _names(model: onnx.ModelProto) -> Iterator[object]:
    """Every name that is checked below, or shown in a message."""
    graph = model.graph
    yield from (opset.domain for opset in model.opset_import)
    for value in (*graph.input, *graph.output):
        yield value.name
    for tensor in iter_tensors(graph):
        yield tensor.name
    for node in graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)


def _check_header(model: onnx.ModelProto, where: str) -> int:
    """The version of ONNX's own operators."""
    if model.functions:
        raise refusal(where, f"{len(model.functions)} functions of its own", "none")
    if model.training_info:
        raise refusal(where, "graphs for training", "a graph that computes features alone")
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    # Exporters list domains that they do not use; nodes of these domains are refused.
    if len(versions) != 1:
        raise refusal(where, f"{len(versions)} versions of ONNX's operators", "one")
    if len(model.opset_import) > _MAX_DOMAINS:
        given = f"{len(model.opset_import)} domains of operators"
        raise refusal(where, given, f"at most {_MAX_DOMAINS}")
    low, high = conversion.OLDEST_READ, conversion.NEWEST
    if not low <= versions[0] <= high:
        raise refusal(
            where, f"operator set {versions[0]}", f"{low} to {high}",
            f"export the model again with opset_version={conversion.OLDEST_RUN} or later",
        )  # fmt: skip
    return int(versions[0])


def _check_nodes(nodes: Iterable[NodeProto], where: str, *, old: bool) -> tuple[str, ...]:
    """The operators, sorted."""
    names: set[str] = set()
    for number, node in enumerate(nodes, 1):
        if number > MAX_NODES:
            raise refusal(where, "more nodes than that", f"at most {MAX_NODES:,} nodes")
        operators.check_node(node, where, old=old)
        names.add(node.op_type)
    return tuple(sorted(names))


def _check_order(graph: onnx.GraphProto, where: str) -> None:
    """Every value is computed once, before it is used; so there is no cycle."""
    defined = {tensor.name for tensor in graph.initializer}
    for value in signature.record_inputs(graph):
        if value.name in defined:
            raise refusal(where, f"the input {quote(value.name)} twice", "once")
        defined.add(value.name)
    for node in graph.node:
        for name in node.input:
            if name and name not in defined:
                given = f"a node {node.op_type} takes {quote(name)} before anything makes it"
                raise refusal(where, given, "nodes in order of computation, no cycle")
        for name in filter(None, node.output):
            if name in defined:
                raise refusal(where, f"{quote(name)} is made twice", "once")
            defined.add(name)
    for value in graph.output:
        if value.name not in defined:
            given = f"nothing makes the output {quote(value.name)}"
            raise refusal(where, given, "an output")


def _first_line(error: Exception) -> str:
    lines = [sanitize(line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200]
