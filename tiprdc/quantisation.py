"""A release's ONNX file -> a smaller one that takes and gives the same: a variant.

    int8    weights, and what flows between weighted layers, as 8-bit integers with ranges that are
            set on real records: static quantisation, a scale for each output channel
    fp16    weights and arithmetic of half the width

Both begin at the first layer with weights and end with the features. What standardises a record
comes before that and stays as it is (a column of a table may be beyond what 16 bits hold), and so do
noise and levels, which come after it. The last weighted layer gives every feature unit variance. It
multiplies directions of little variance, and with them their rounding: int8 leaves it in 32 bits,
and what it is made from.

Source: Jacob et al. 2018, arXiv 1712.05877 (integer arithmetic); onnxruntime's quantisation.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tiprdc.export import EXACT, write_model
from tiprdc.session import converters

_WEIGHTED = ("Conv", "Gather", "Gemm", "LSTM", "MatMul")
_BATCH = 64


def quantise(source: Path, target: Path, variant: str, x: NDArray[Any]) -> None:
    """Write a variant of a file.

    Args:
        source: The release's file.
        target: Where; its folder is made.
        variant: "int8" or "fp16".
        x: Records `[N, *shape]`, N >= 1, that set the ranges of int8; nobody whom attackers know.
    """
    model = onnx.load(source, load_external_data=False)
    write_model(_MAKE[variant](model, x), target)


def _int8(model: onnx.ModelProto, x: NDArray[Any]) -> onnx.ModelProto:
    tools, _ = converters()
    weighted = _weighted(model)
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as folder, _quiet():
        path = Path(folder, "int8.onnx")
        tools.quantize_static(
            model, path, _Reader(x),
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(_WEIGHTED),
            nodes_to_quantize=[node.name for node in weighted[:-1]],
            per_channel=True,
            # 7 bits of weights: 8 overflow the sums of a CPU without VNNI, so that the same bytes
            # would give other features there than those that were audited.
            reduce_range=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )  # fmt: skip
        return onnx.load(path, load_external_data=False)


def _fp16(model: onnx.ModelProto, x: NDArray[Any]) -> onnx.ModelProto:
    _, tools = converters()
    nodes = list(model.graph.node)
    first = nodes.index(_weighted(model)[0])
    last = next((n for n, node in enumerate(nodes) if EXACT in node.output), len(nodes))
    kept = [node.name for node in nodes[:first] + nodes[last + 1 :]]
    made: onnx.ModelProto = tools.convert_float_to_float16(
        model, keep_io_types=True, node_block_list=kept
    )
    return made


_MAKE: dict[str, Callable[[onnx.ModelProto, NDArray[Any]], onnx.ModelProto]] = {
    "int8": _int8,
    "fp16": _fp16,
}


def _weighted(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Layers with weights of their own, in order."""
    weights = {
        tensor.name for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
    }  # fmt: skip
    return [n for n in model.graph.node if n.op_type in _WEIGHTED and weights & set(n.input)]


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
