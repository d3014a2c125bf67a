"""A release's ONNX file -> a smaller one that takes and gives the same: a variant.

    int8    weights, and what enters a layer, as 8-bit integers with ranges that are set on real
            records: static quantisation, a scale for each output channel
    fp16    weights of half the width, which onnxruntime widens once, when it opens the file

What standardises a record, noise, levels and the features themselves keep their 32 bits. int8
leaves small layers alone, the first that looks at a picture's three channels above all: in integers
it was slower, and brought half of the whole error. A recurrent layer (LSTM) has no integers in
onnxruntime's static quantisation and stays as it is.

Source: Jacob et al. 2018, arXiv 1712.05877 (integer arithmetic); onnxruntime's quantisation.
"""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tiprdc.errors import ModelError
from tiprdc.export.onnx_export import write_model
from tiprdc.runtime.session import quantiser

_IN_INTEGERS = ("Conv", "Gather", "Gemm", "MatMul")
_WEIGHTED = (*_IN_INTEGERS, "LSTM")
_WORTH = 4096
"""Weights that a layer must have to be worth integers."""
_BATCH = 64


def quantise(source: Path, target: Path, variant: str, x: NDArray[Any]) -> None:
    """Write a variant of a file.

    Args:
        source: The release's file.
        target: Where; its folder is made.
        variant: "int8" or "fp16".
        x: Records `[N, *shape]`, N >= 1, that set the ranges of int8; nobody whom attackers know.

    Raises:
        ModelError: It has no layer that is worth integers.
    """
    model = onnx.load(source, load_external_data=False)
    write_model(_int8(model, x) if variant == "int8" else _fp16(model), target)


def _int8(model: onnx.ModelProto, x: NDArray[Any]) -> onnx.ModelProto:
    weights = _weights(model)
    layers = [
        node.name for node in model.graph.node
        if node.op_type in _IN_INTEGERS
        and sum(math.prod(weights[name].dims) for name in node.input if name in weights) >= _WORTH
    ]  # fmt: skip
    if not layers:
        raise ModelError(
            "int8", "no layer that has integers is large enough", f"one of {_WORTH:,} weights",
            "leave int8 out of export.variants: it would save nothing",
        )  # fmt: skip
    tools = quantiser()
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as folder, _quiet():
        path = Path(folder, "int8.onnx")
        tools.quantize_static(
            model, path, _Reader(x),
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(_IN_INTEGERS),
            nodes_to_quantize=layers,
            per_channel=True,
            # 7 bits of weights: 8 overflow the sums of a CPU without VNNI, so that the same bytes
            # would give other features there than those that were audited.
            reduce_range=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )  # fmt: skip
        return onnx.load(path, load_external_data=False)


def _fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    used = {name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input}
    casts = []
    for name, tensor in _weights(model).items():
        if name in used:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_fp16"))
            to = onnx.TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], name=name, to=to))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Name -> matrix, kernel or table of 32-bit numbers."""
    return {
        tensor.name: tensor for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
    }  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without advice to prepare the graph first: torch's exporter has folded it already."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Reader:
    """Records as onnxruntime's calibration asks for them."""

    def __init__(self, x: NDArray[Any]) -> None:
        self._batches = iter(np.array_split(x, range(_BATCH, len(x), _BATCH)))

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"x": batch}
