"""The graphs around a text encoder: ids to its inputs, its output to one vector a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tiprdc.encoders.texts import IDS, TYPES, Padding, TextAdapter
from tiprdc.sandbox.execution import MASK, Pooling

WEIGHTS = "token_weights"
"""Float `[B, T, 1]`: 1 for tokens, 0 for padding."""


def token_graph(
    adapter: TextAdapter, shape: tuple[int, ...], source: str, targets: Mapping[str, str]
) -> GraphProto:
    """From token ids `[B, T]` int32 to the encoder's inputs and `WEIGHTS`.

    Args:
        adapter: Of the encoder.
        shape: (T,).
        source: Name of the input.
        targets: Input of the encoder -> name of the output that it takes.
    """
    nodes = [
        *_mask(adapter.padding, source),
        helper.make_node("Sub", [source, source], [TYPES]),
        helper.make_node("Cast", [MASK], ["mask_numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask_numbers", "last_axis"], [WEIGHTS]),
    ]
    values = {IDS: source, MASK: MASK, TYPES: TYPES}
    outputs = [helper.make_tensor_value_info(WEIGHTS, TensorProto.FLOAT, ["batch", *shape, 1])]
    for (name, dtype), kind in zip(adapter.dtypes.items(), adapter.kinds, strict=True):
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        nodes.append(helper.make_node("Cast", [values[kind]], [targets[name]], to=to))
        outputs.append(helper.make_tensor_value_info(targets[name], to, ["batch", *shape]))
    constants: dict[str, NDArray[Any]] = {
        "padding": np.array(adapter.padding.token, np.int32), "axis": np.array(1, np.int32),
        "last_axis": np.array([2], np.int64),
    }  # fmt: skip
    return helper.make_graph(
        nodes, "before",
        [helper.make_tensor_value_info(source, TensorProto.INT32, ["batch", *shape])], outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip


def pooling_graph(pooling: Pooling, encoded: ValueInfoProto, target: str) -> GraphProto:
    """From an output for each token, and `WEIGHTS`, to one vector a text.

    Args:
        pooling: mean or cls.
        encoded: The encoder's output `[B, T, F]`.
        target: Name of the output `[B, F]`.
    """
    weights = f"{WEIGHTS}_in"
    nodes = [helper.make_node("Cast", [encoded.name], ["numbers"], to=TensorProto.FLOAT)]
    inputs = [encoded]
    constants: dict[str, NDArray[Any]] = {"first": np.array(0, np.int64)}
    if pooling == "cls":
        nodes.append(helper.make_node("Gather", ["numbers", "first"], [target], axis=1))
    else:
        inputs.append(helper.make_tensor_value_info(weights, TensorProto.FLOAT, ["batch", None, 1]))
        constants = {"tokens": np.array([1], np.int64), "one": np.array(1, np.float32)}
        nodes += [
            helper.make_node("Mul", ["numbers", weights], ["weighted"]),
            helper.make_node("ReduceSum", ["weighted", "tokens"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", [weights, "tokens"], ["count"], keepdims=0),
            helper.make_node("Max", ["count", "one"], ["divisor"]),
            helper.make_node("Div", ["sum", "divisor"], [target]),
        ]
    return helper.make_graph(
        nodes, "after", inputs,
        [helper.make_tensor_value_info(target, TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip


def _mask(padding: Padding, source: str) -> list[NodeProto]:
    """`Padding.mask`: padding ends where the first token from its side stands."""
    return [
        helper.make_node("Equal", [source, "padding"], ["is_padding"]),
        helper.make_node("Not", ["is_padding"], ["is_text"]),
        helper.make_node("Cast", ["is_text"], ["text_numbers"], to=TensorProto.INT32),
        helper.make_node(
            "CumSum", ["text_numbers", "axis"], ["tokens_from_padding"],
            reverse=int(not padding.left),
        ),
        helper.make_node("Cast", ["tokens_from_padding"], ["is_token"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["is_token"], [MASK], to=TensorProto.INT32),
    ]  # fmt: skip
