"""Builders of small ONNX models, valid or broken in one way. A `Model` returns the file's bytes.

`OUTSIDE` stands for a file that must never be opened.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

OUTSIDE = "/nowhere/tiprdc-outside"
"""Replaced by the path of a file next to the folder."""

Model = Callable[[], bytes]
HUGE = 2**40


def base(
    nodes: list[NodeProto] | None = None,
    tensors: list[TensorProto] | None = None,
    *,
    shape: list[Any] | None = None,
    domains: tuple[str, ...] = ("",),
) -> ModelProto:
    """z = x W with x float32 [batch, 4], or `nodes` on x and w."""
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["z"])]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or ["batch", 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(np.ones((4, 3), np.float32), "w"), *(tensors or [])],
    )  # fmt: skip
    opsets = [helper.make_opsetid(domain, 20 if domain == "" else 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def modified(change: Callable[[ModelProto], object]) -> Model:
    def make() -> bytes:
        model = base()
        change(model)
        return bytes(model.SerializeToString())

    return make


def graph(*nodes: NodeProto, tensors: dict[str, Any] | None = None) -> Model:
    initializers = [numpy_helper.from_array(np.asarray(v), n) for n, v in (tensors or {}).items()]
    return lambda: bytes(base(list(nodes), initializers).SerializeToString())


node = helper.make_node


def ml_graph(*nodes: NodeProto) -> Model:
    """Nodes of scikit-learn's domain on x."""
    return lambda: bytes(base(list(nodes), domains=("", "ai.onnx.ml")).SerializeToString())


def tree(*, children: int = 1, column: int = 0, values: int = 3) -> Model:
    """A tree of one branch and two leaves; both children of the branch are `children` or 2."""
    other = 2 if children == 1 else children
    return ml_graph(
        node(
            "TreeEnsembleRegressor", ["x"], ["z"], domain="ai.onnx.ml", n_targets=1,
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2],
            nodes_featureids=[column, 0, 0], nodes_values=[0.5] * values,
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
            nodes_truenodeids=[children, 0, 0], nodes_falsenodeids=[other, 0, 0],
            target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 0],
            target_weights=[1.0, 2.0],
        )
    )  # fmt: skip


def external(location: str, field: str = "location") -> Model:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key=field, value=location)
        tensor.external_data.add(key="length", value="48")

    return modified(change)


def branch(kind: str) -> NodeProto:
    """A node that contains a graph."""
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    inner = helper.make_graph([node("Identity", ["x"], ["o"])], "inner", [], [out])
    if kind == "If":
        return node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    if kind == "Scan":
        return node("Scan", ["x"], ["z"], body=inner, num_scan_inputs=1)
    return node(kind, ["n", "c"], ["z"], body=inner)


def hidden_graph(model: ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.INT)
    attribute.g.CopyFrom(GraphProto(name="inner"))


def with_external_attribute() -> bytes:
    value = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    constant = node("Constant", [], ["k"], value=value)
    tensor = constant.attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=OUTSIDE)
    return bytes(base([constant, node("MatMul", ["x", "k"], ["z"])]).SerializeToString())


def with_function(model: ModelProto) -> None:
    model.functions.append(
        helper.make_function(
            "local",
            "f",
            ["a"],
            ["b"],
            [node("Identity", ["a"], ["b"])],
            [helper.make_opsetid("", 20)],
        )
    )  # fmt: skip


def dims(*sizes: int) -> Model:
    def change(model: ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sizes)

    return modified(change)


def input_dims(*sizes: int) -> Model:
    return lambda: bytes(base(shape=list(sizes)).SerializeToString())


def weight_of(value: float, dtype: Any = np.float32) -> Model:
    def change(model: ModelProto) -> None:
        weight = np.ones((4, 3), dtype)
        weight[2, 1] = value
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))

    return modified(change)


def typed_nan(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend([float("nan")] * 12)


def input_of(kind: int) -> Model:
    def change(model: ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind

    return modified(change)


def many_nodes() -> bytes:
    names = ["x", *(f"v{n}" for n in range(25_000))]
    nodes = [node("Neg", [a], [b]) for a, b in pairwise(names)]
    return bytes(base([*nodes, node("Neg", [names[-1]], ["z"])]).SerializeToString())


def many_empty_nodes() -> bytes:
    """20 million empty nodes in 40 MB: each costs a hundred times its bytes once it is parsed."""
    graph = b"\x0a\x00" * 20_000_000
    return b"\x08\x0a\x3a" + _size(len(graph)) + graph


def deep_types() -> bytes:
    """A sequence of sequences of sequences, 5,000 deep, where a type belongs."""
    kind = b""
    for _ in range(5000):
        inner = b"\x0a" + _size(len(kind)) + kind
        kind = b"\x22" + _size(len(inner)) + inner
    value = b"\x0a\x01x\x12" + _size(len(kind)) + kind
    graph = b"\x5a" + _size(len(value)) + value
    return base().SerializeToString() + b"\x3a" + _size(len(graph)) + graph


def _size(number: int) -> bytes:
    """A length as a protobuf varint."""
    varint = b""
    while True:
        number, low = divmod(number, 128)
        varint += bytes([low | (128 if number else 0)])
        if not number:
            return varint


def int64s(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64)


def bad_name() -> bytes:
    return base().SerializeToString().replace(b"MatMul", b"Mat\xff\xfel")


def terminal_escapes(model: ModelProto) -> None:
    model.graph.node[0].op_type = "Evil\x1b]0;owned\x07\x1b[2J\u202e" + "A" * 5000
