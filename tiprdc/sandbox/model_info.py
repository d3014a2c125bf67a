"""Facts about a validated ONNX file: its input, its output and its size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

Shape = tuple[int | None, ...]
"""Sizes of a tensor; None is a size that the file leaves open."""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Input, output and size of a validated model.

    Args:
        sha256: Digest of the file.
        size: Size of the file in bytes.
        opset: Version of ONNX's own operators.
        nodes: Number of nodes, at least 1.
        parameters: Number of values in initialisers and constants.
        operators: Names of the operators used, sorted.
        batch: Fixed batch size, or None for any.
        input_name: Name of the only input.
        input_dtype: numpy's name of its type: uint8, int32, int64, float16, float32 or float64.
        input_shape: Shape of one record, without the batch.
        output_name: Name of the only output.
        output_dtype: numpy's name of its type.
        output_shape: Shape of one record's features as declared, without the batch; None if the
            file declares nothing.
    """

    sha256: str
    size: int
    opset: int
    nodes: int
    parameters: int
    operators: tuple[str, ...]
    batch: int | None
    input_name: str
    input_dtype: str
    input_shape: Shape
    output_name: str
    output_dtype: str
    output_shape: Shape | None

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ModelInfo:
        """From JSON types.

        Raises:
            TypeError: A field is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if set(raw) != names:
            raise TypeError("other fields than those of ModelInfo")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**plain)
