"""Generates mutants of small valid ONNX files with hypothesis: changed bytes, changed graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tiprdc.sandbox.operators import ML_DOMAIN, ML_OPERATORS, OPERATORS

NUMBERS = (0, 1, -1, 2, 3, 7, 127, 255, 2**15, -(2**31), 2**31 - 1, 2**40, -(2**62), 2**63 - 1)
"""Sizes and indices that often cause errors."""


def _model(
    name: str, nodes: list[onnx.NodeProto], x: tuple[int, list[int]], **weights: NDArray[Any]
) -> ModelProto:
    kind, shape = x
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("x", kind, ["batch", *shape])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def seeds() -> list[ModelProto]:
    """Very small extractors: for tables, pictures and texts, with noise, old, of scikit-learn."""
    node, rng = helper.make_node, np.random.default_rng(0)

    def weight(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    table = _model(
        "table",
        [node("Gemm", ["x", "w", "b"], ["h"]), node("Relu", ["h"], ["r"]),
         node("LayerNormalization", ["r", "g"], ["n"]), node("MatMul", ["n", "v"], ["z"])],
        (TensorProto.FLOAT, [4]), w=weight(4, 5), b=weight(5), g=weight(5), v=weight(5, 3),
    )  # fmt: skip
    picture = _model(
        "picture",
        [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
         node("Conv", ["f", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
         node("Relu", ["c"], ["r"]), node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
         node("Reshape", ["p", "s"], ["l"]), node("MatMul", ["l", "v"], ["z"])],
        (TensorProto.UINT8, [3, 8, 8]),
        w=weight(2, 3, 3, 3), s=np.array([-1, 18], np.int64), v=weight(18, 3),
    )  # fmt: skip
    text = _model(
        "text",
        [node("Gather", ["w", "x"], ["e"]), node("Slice", ["e", "a", "o", "i"], ["k"]),
         node("ReduceMean", ["k", "i"], ["m"], keepdims=0), node("Expand", ["m", "j"], ["q"]),
         node("Pad", ["q", "pads"], ["p"]), node("Softmax", ["p"], ["z"])],
        (TensorProto.INT32, [6]),
        w=weight(9, 3), a=np.array([0], np.int64), o=np.array([6], np.int64),
        i=np.array([1], np.int64), j=np.array([1, 3], np.int64), pads=np.zeros(4, np.int64),
    )  # fmt: skip
    noise = _model(
        "noise",
        [node("RandomNormalLike", ["x"], ["n"]), node("RandomUniform", [], ["u"], shape=[1, 4]),
         node("Dropout", ["n", "r", "t"], ["d"]), node("Add", ["x", "d"], ["a"]),
         node("Mul", ["a", "u"], ["m"]), node("MatMul", ["m", "w"], ["z"])],
        (TensorProto.FLOAT, [4]),
        w=weight(4, 3), r=np.float32(0.5), t=np.array(True),
    )  # fmt: skip
    old = _model(
        "old",
        [node("Upsample", ["x"], ["u"], scales=[1.0, 1.0, 2.0, 2.0]),
         node("Slice", ["u"], ["s"], axes=[2], starts=[0], ends=[4]),
         node("Pad", ["s"], ["p"], pads=[0] * 8), node("Clip", ["p"], ["c"], min=0.0, max=1.0),
         node("Reshape", ["c", "f"], ["l"]), node("MatMul", ["l", "w"], ["z"])],
        (TensorProto.FLOAT, [1, 2, 2]), f=np.array([-1, 16], np.int64), w=weight(16, 3),
    )  # fmt: skip
    old.opset_import[0].version = 8
    return [table, picture, text, noise, old, _trees(), _classifiers()]


def _trees() -> ModelProto:
    """A pipeline as skl2onnx writes it: one input a column, texts, trees, maps."""
    node, ml = helper.make_node, {"domain": ML_DOMAIN}
    graph = helper.make_graph(
        [node("LabelEncoder", ["b"], ["e"], keys_strings=["a", "c"], values_floats=[1.0, 2.0],
              default_float=0.0, **ml),
         node("Imputer", ["a"], ["i"], imputed_value_floats=[0.5],
              replaced_value_float=float("nan"), **ml),
         node("Concat", ["e", "i"], ["x"], axis=1),
         node("Scaler", ["x"], ["s"], offset=[0.0, 1.0], scale=[1.0, 2.0], **ml),
         node("TreeEnsembleClassifier", ["s"], ["l", "p"], nodes_treeids=[0, 0, 0],
              nodes_nodeids=[0, 1, 2], nodes_featureids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0],
              nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0],
              nodes_falsenodeids=[2, 0, 0], class_treeids=[0, 0], class_nodeids=[1, 2],
              class_ids=[0, 1], class_weights=[0.9, 0.8], classlabels_int64s=[0, 1, 2], **ml),
         node("ZipMap", ["p"], ["z"], classlabels_int64s=[0, 1, 2], **ml)],
        "trees",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["batch", 1]),
         helper.make_tensor_value_info("b", TensorProto.STRING, ["batch", 1])],
        [helper.make_tensor_value_info("l", TensorProto.INT64, ["batch"]),
         helper.make_value_info("z", helper.make_sequence_type_proto(helper.make_map_type_proto(
             TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))))],
    )  # fmt: skip
    return _of_scikit_learn(graph)


def _classifiers() -> ModelProto:
    """A support vector machine and a linear classifier behind one-hot columns."""
    node, ml = helper.make_node, {"domain": ML_DOMAIN}
    graph = helper.make_graph(
        [node("OneHotEncoder", ["x"], ["o"], cats_int64s=[0, 1, 2], zeros=1, **ml),
         node("Flatten", ["o"], ["f"]), node("Normalizer", ["f"], ["n"], norm="L2", **ml),
         node("LinearClassifier", ["n"], ["m", "p"], coefficients=[1.0] * 12,
              intercepts=[0.0, 1.0], classlabels_ints=[0, 1], post_transform="SOFTMAX", **ml),
         node("SVMRegressor", ["p"], ["s"], kernel_type="RBF", kernel_params=[1.0, 0.0, 3.0],
              support_vectors=[0.0, 1.0, 1.0, 0.0], n_supports=2, coefficients=[1.0, -1.0],
              rho=[0.5], **ml),
         node("ArrayFeatureExtractor", ["p", "i"], ["a"], **ml),
         node("Concat", ["s", "a", "p"], ["z"], axis=1)],
        "classifiers",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", 2])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(np.array([0], np.int64), "i")],
    )  # fmt: skip
    return _of_scikit_learn(graph)


def _of_scikit_learn(graph: onnx.GraphProto) -> ModelProto:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(ML_DOMAIN, 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


SEEDS = [model.SerializeToString() for model in seeds()]
_PLACES = st.integers(0, 2**16)
_NUMBER = st.sampled_from(NUMBERS)


@st.composite
def mutants(draw: DrawFn) -> bytes:
    """Bytes of a mutated valid model."""
    data = draw(st.sampled_from(SEEDS))
    if draw(st.booleans()):
        model = ModelProto.FromString(data)
        for _ in range(draw(st.integers(1, 4))):
            _CHANGES[draw(st.integers(0, len(_CHANGES) - 1))](draw, model)
        data = model.SerializeToString()
    if draw(st.booleans()):
        for _ in range(draw(st.integers(0, 4))):
            data = _mutate_bytes(draw, data)
    return bytes(data)


def _mutate_bytes(draw: DrawFn, data: bytes) -> bytes:
    """Change a byte, or insert, delete or copy a piece."""
    at = draw(_PLACES) % (len(data) + 1)
    size = draw(st.integers(1, 16))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return data[:at] + draw(st.binary(min_size=1, max_size=1)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + draw(st.binary(min_size=1, max_size=size)) + data[at:]
    if kind == 2:
        return data[:at] + data[at + size :]
    source = draw(_PLACES) % len(data) if data else 0
    return data[:at] + data[source : source + size] + data[at:]


def _mutate_operator(draw: DrawFn, model: ModelProto) -> None:
    nodes = model.graph.node
    node = nodes[draw(_PLACES) % len(nodes)]
    names = ML_OPERATORS if node.domain == ML_DOMAIN else OPERATORS
    node.op_type = draw(st.sampled_from(sorted(names)))


def _mutate_inputs(draw: DrawFn, model: ModelProto) -> None:
    nodes, names = model.graph.node, ["x", "z", ""]
    names += [tensor.name for tensor in model.graph.initializer]
    names += [name for node in nodes for name in node.output]
    node = nodes[draw(_PLACES) % len(nodes)]
    if node.input:
        node.input[draw(_PLACES) % len(node.input)] = draw(st.sampled_from(names))


def _mutate_integers(draw: DrawFn, model: ModelProto) -> None:
    """Replace sizes, starts or pads in a tensor of integers."""
    integers = [t for t in model.graph.initializer if t.data_type == TensorProto.INT64]
    if integers:
        tensor = integers[draw(_PLACES) % len(integers)]
        values = draw(st.lists(_NUMBER, min_size=1, max_size=4))
        tensor.CopyFrom(numpy_helper.from_array(np.array(values, np.int64), tensor.name))


def _mutate_attribute(draw: DrawFn, model: ModelProto) -> None:
    attributes = [a for n in model.graph.node for a in n.attribute]
    if attributes:
        attribute = attributes[draw(_PLACES) % len(attributes)]
        attribute.i = draw(_NUMBER)
        if attribute.ints:
            attribute.ints[draw(_PLACES) % len(attribute.ints)] = draw(_NUMBER)
        for values in (attribute.ints, attribute.floats, attribute.strings):
            if values and draw(st.booleans()):
                del values[draw(_PLACES) % len(values)]


def _mutate_sizes(draw: DrawFn, model: ModelProto) -> None:
    graph = model.graph
    if graph.initializer and draw(st.booleans()):
        tensor = graph.initializer[draw(_PLACES) % len(graph.initializer)]
        if tensor.dims:
            tensor.dims[draw(_PLACES) % len(tensor.dims)] = draw(_NUMBER)
        return
    shape = (graph.input if draw(st.booleans()) else graph.output)[0].type.tensor_type.shape
    shape.dim[draw(_PLACES) % len(shape.dim)].dim_value = draw(_NUMBER)


def _mutate_types(draw: DrawFn, model: ModelProto) -> None:
    kind, graph = draw(st.integers(0, 24)), model.graph
    if graph.initializer and draw(st.booleans()):
        graph.initializer[draw(_PLACES) % len(graph.initializer)].data_type = kind
    else:
        graph.input[0].type.tensor_type.elem_type = kind


def _external_data(draw: DrawFn, model: ModelProto) -> None:
    """Move weights to another file."""
    if not model.graph.initializer:
        return
    tensor = model.graph.initializer[draw(_PLACES) % len(model.graph.initializer)]
    tensor.data_location = TensorProto.EXTERNAL if draw(st.booleans()) else TensorProto.DEFAULT
    locations = ("/etc/passwd", "../x", "/proc/self/environ", "weights.bin")
    tensor.external_data.add(key="location", value=draw(st.sampled_from(locations)))


_CHANGES = (
    _mutate_operator, _mutate_inputs, _mutate_integers, _mutate_attribute, _mutate_sizes,
    _mutate_types, _external_data,
)  # fmt: skip
