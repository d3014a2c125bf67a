"""What is known of an ONNX file once it was inspected: what it takes, what it gives, how large."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

Shape = tuple[int | None, ...]
"""Sizes of a tensor; None is a size that the file leaves open."""


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """One input, one output, and what lies between.

    Args:
        sha256: Of the file.
        size: Of the file, in bytes.
        opset: Version of ONNX's own operators.
        nodes: Number of nodes, at least 1.
        parameters: Numbers in initialisers and constants.
        operators: Names of the operators used, sorted.
        batch: Records that must be given at once, or None for any number.
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
        """As JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ModelFacts:
        """Back from JSON's types.

        Raises:
            TypeError: A field is missing or too many.
        """
        known = {field.name for field in fields(cls)}
        if set(raw) != known:
            raise TypeError("other fields than those of ModelFacts")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**plain)
