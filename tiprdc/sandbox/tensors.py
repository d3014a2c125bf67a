"""The numbers that an ONNX file brings along: all there, as many as declared, none of them NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from onnx import GraphProto, TensorProto

from tiprdc.sandbox.messages import quoted, refused

MOST_PARAMETERS = 2**29

DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.INT32: "int32",
    TensorProto.INT64: "int64", TensorProto.UINT16: "uint16", TensorProto.INT16: "int16",
    TensorProto.UINT32: "uint32", TensorProto.UINT64: "uint64", TensorProto.BOOL: "bool",
}  # fmt: skip
"""ONNX's types -> numpy's names, of those that may be in a file."""
_FIELDS = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data",
    "uint32": "uint64_data", "uint64": "uint64_data",
}  # fmt: skip


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor that the file brings along."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def check_tensors(tensors: Iterable[TensorProto], where: str) -> int:
    """How many numbers they hold together.

    Raises:
        ModelError: One lies in another file, or is not what it declares.
    """
    total = 0
    for tensor in tensors:
        total += _check_tensor(tensor, where)
        if total > MOST_PARAMETERS:
            raise refused(where, "more numbers than that", f"at most {MOST_PARAMETERS:,} numbers")
    return total


def _check_tensor(tensor: TensorProto, where: str) -> int:
    name = f"the tensor {quoted(tensor.name)}"
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise refused(
            where, f"{name} lies in another file", "one file with everything in it",
            "save it again with `onnx.save(model, path, save_as_external_data=False)`",
        )  # fmt: skip
    if tensor.data_type not in DTYPES:
        raise refused(where, f"{name} of type {tensor.data_type}", "numbers of 8 to 64 bits")
    if tensor.HasField("segment"):
        raise refused(where, f"{name} is a segment of one", "whole tensors")
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 16:
        raise refused(where, f"{name} with impossible sizes", "sizes of at least 0")
    count = math.prod(map(int, tensor.dims))
    dtype = DTYPES[tensor.data_type]
    if count != _held(tensor, dtype):
        raise refused(where, f"{name} holds more or fewer numbers than declared", "as declared")
    if dtype.startswith("float") and not _no_nan(tensor, dtype):
        raise refused(where, f"{name} holds NaN", "numbers")
    return count


def _held(tensor: TensorProto, dtype: str) -> float:
    """How many numbers a tensor holds; a fraction where bytes are left over."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) / np.dtype(dtype).itemsize
    return len(getattr(tensor, _FIELDS.get(dtype, "int32_data")))


def _no_nan(tensor: TensorProto, dtype: str) -> bool:
    # Infinity is a mask's number; NaN is nobody's.
    if tensor.HasField("raw_data"):
        return not np.isnan(np.frombuffer(tensor.raw_data, dtype)).any()
    if dtype == "float16":
        bits = np.array(tensor.int32_data, np.int64).astype(np.uint16)
        return not np.isnan(bits.view(np.float16)).any()
    return not np.isnan(np.array(getattr(tensor, _FIELDS[dtype]))).any()
