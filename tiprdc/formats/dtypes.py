"""Number types of records and of ONNX inputs, by the names that numpy and ONNX give them."""

from __future__ import annotations

RECORD_DTYPES = {"image": "uint8", "table": "float32", "text": "int32", "audio": "int16"}
"""Modality -> numpy's name of a record's type, as an extractor takes it."""


def onnx_type(dtype: str) -> str:
    """What onnxruntime calls a tensor of this type: `float32` is `tensor(float)`."""
    onnx_names = {"float32": "float", "float64": "double"}
    return f"tensor({onnx_names.get(dtype, dtype)})"
