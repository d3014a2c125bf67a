"""Makes a smaller variant of a release's ONNX file, with the same input and output: int8 or fp16.

    int8    weights and inputs of layers as 8-bit integers, with ranges set on real records: static
            quantization, one scale for each output channel
    fp16    weights of 16 bits, which onnxruntime widens once, when it opens the file

The standardization of a record, a recording's spectrogram, noise, levels and the features
themselves keep 32 bits. int8 skips
small layers, above all the first layer on an image's three channels: in integers it was slower and
caused half of the whole error. onnxruntime's static quantization has no integer LSTM, so an LSTM
stays as it is.

Source: Jacob et al. 2018, arXiv 1712.05877 (integer arithmetic); onnxruntime's quantization.
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
from tiprdc.runtime.session import quantization_tools

_INTEGER_OPS = ("Conv", "Gather", "Gemm", "MatMul")
_WEIGHTED_OPS = (*_INTEGER_OPS, "LSTM")
_MIN_WEIGHTS = 4096
"""int8 leaves layers with fewer weights as they are."""
_BATCH = 64
_NORMALISATION = "normalise."
"""Before the names of the constants that normalise a record."""


def quantize(source: Path, target: Path, variant: str, x: NDArray[Any]) -> None:
    """Write a variant of a file.

    Args:
        source: The release's file.
        target: The file to write; its folder is made.
        variant: "int8" or "fp16".
        x: Records `[N, *shape]`, N >= 1, that set the ranges of int8; people of extractor-train.

    Raises:
        ModelError: No layer is large enough for int8.
    """
    model = onnx.load(source, load_external_data=False)
    write_model(_int8(model, x) if variant == "int8" else _fp16(model), target)


def _int8(model: onnx.ModelProto, x: NDArray[Any]) -> onnx.ModelProto:
    weights = _weights(model)
    layers = [
        node.name for node in model.graph.node
        if node.op_type in _INTEGER_OPS and _weight_count(node, weights) >= _MIN_WEIGHTS
    ]  # fmt: skip
    if not layers:
        raise ModelError(
            "int8", "no layer with an integer version is large enough",
            f"one of {_MIN_WEIGHTS:,} weights",
            "remove int8 from export.variants: it would save nothing",
        )  # fmt: skip
    tools = quantization_tools()
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as folder, _without_advice():
        path = Path(folder, "int8.onnx")
        tools.quantize_static(
            model, path, _CalibrationReader(x),
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(_INTEGER_OPS),
            nodes_to_quantize=layers,
            per_channel=True,
            # 7 bits of weights: with 8 the sums overflow on a CPU without VNNI, and the same bytes
            # would give other features there than those that were audited.
            reduce_range=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )  # fmt: skip
        return onnx.load(path, load_external_data=False)


def _fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    layer_inputs = {
        name for node in model.graph.node if node.op_type in _WEIGHTED_OPS for name in node.input
    }
    casts = []
    for name, tensor in _weights(model).items():
        if name in layer_inputs:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_fp16"))
            to = onnx.TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], name=name, to=to))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _weight_count(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> int:
    return sum(math.prod(weights[name].dims) for name in node.input if name in weights)


def _weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Name -> weights of 32 bits with at least two dimensions, without those of spectrograms."""
    return {
        tensor.name: tensor for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
        and not tensor.name.startswith(_NORMALISATION)
    }  # fmt: skip


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Silence advice to prepare the graph first: torch's exporter has folded it already."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _CalibrationReader:
    """Gives records to onnxruntime's calibration, batch by batch."""

    def __init__(self, x: NDArray[Any]) -> None:
        self._batches = iter(np.array_split(x, range(_BATCH, len(x), _BATCH)))

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"x": batch}
