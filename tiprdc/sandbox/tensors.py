"""Checks the tensors in an ONNX file: complete, of the declared size, without NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from onnx import GraphProto, TensorProto

from tiprdc.sandbox.messages import quote, refusal

MAX_PARAMETERS = 2**29
"""Most numbers in all tensors of a file."""

DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.INT32: "int32",
    TensorProto.INT64: "int64", TensorProto.UINT16: "uint16", TensorProto.INT16: "int16",
    TensorProto.UINT32: "uint32", TensorProto.UINT64: "uint64", TensorProto.BOOL: "bool",
}  # fmt: skip
"""ONNX's type numbers -> numpy's names, for the types that a file may contain."""
TEXT_TYPE = TensorProto.STRING
"""Texts: labels of classes and categories in scikit-learn's pipelines."""
_FIELDS = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data",
    "uint32": "uint64_data", "uint64": "uint64_data",
}  # fmt: skip


def iter_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor in the graph: initialisers and attributes of nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def check_tensors(tensors: Iterable[TensorProto], where: str) -> int:
    """Check tensors and count their numbers.

    Raises:
        ModelError: A tensor is in another file, or does not match its declaration.
    """
    total = 0
    for tensor in tensors:
        total += _check_tensor(tensor, where)
        if total > MAX_PARAMETERS:
            raise refusal(where, "more numbers than that", f"at most {MAX_PARAMETERS:,} numbers")
    return total


def _check_tensor(tensor: TensorProto, where: str) -> int:
    name = f"the tensor {quote(tensor.name)}"
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise refusal(
            where, f"{name} lies in another file", "one file with everything in it",
            "save it again with `onnx.save(model, path, save_as_external_data=False)`",
        )  # fmt: skip
    if tensor.data_type == TEXT_TYPE:
        return _check_texts(tensor, name, where)
    if tensor.data_type not in DTYPES:
        raise refusal(where, f"{name} of type {tensor.data_type}", "numbers of 8 to 64 bits")
    if tensor.HasField("segment"):
        raise refusal(where, f"{name} is a segment of one", "whole tensors")
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 16:
        raise refusal(where, f"{name} with impossible sizes", "sizes of at least 0")
    count = math.prod(map(int, tensor.dims))
    dtype = DTYPES[tensor.data_type]
    if count != _stored_count(tensor, dtype):
        raise refusal(where, f"{name} holds more or fewer numbers than declared", "as declared")
    if dtype.startswith("float") and _has_nan(tensor, dtype):
        raise refusal(where, f"{name} holds NaN", "numbers")
    return count


def _check_texts(tensor: TensorProto, name: str, where: str) -> int:
    if tensor.HasField("raw_data") or tensor.HasField("segment"):
        raise refusal(where, f"{name} of type 8 in raw bytes", "texts")
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 16:
        raise refusal(where, f"{name} with impossible sizes", "sizes of at least 0")
    if math.prod(map(int, tensor.dims)) != len(tensor.string_data):
        raise refusal(where, f"{name} holds more or fewer texts than declared", "as declared")
    return len(tensor.string_data)


def _stored_count(tensor: TensorProto, dtype: str) -> float:
    """Number of values stored in a tensor; a fraction where bytes are left over."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) / np.dtype(dtype).itemsize
    return len(getattr(tensor, _FIELDS.get(dtype, "int32_data")))


def _has_nan(tensor: TensorProto, dtype: str) -> bool:
    # Infinity is allowed: attention masks use it.
    if tensor.HasField("raw_data"):
        return bool(np.isnan(np.frombuffer(tensor.raw_data, dtype)).any())
    if dtype == "float16":
        bits = np.array(tensor.int32_data, np.int64).astype(np.uint16)
        return bool(np.isnan(bits.view(np.float16)).any())
    return bool(np.isnan(np.array(getattr(tensor, _FIELDS[dtype]))).any())
