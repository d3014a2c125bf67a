"""Facts about a validated ONNX file: its inputs, its outputs and its size."""

from __future__ import annotations

from typing import Any

import msgspec

Shape = tuple[int | None, ...]
"""Sizes of a tensor; None is a size that the file leaves open."""
TEXT = "str"
"""`TensorInfo.dtype` of texts."""


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input or output.

    Args:
        name: Its name in the graph.
        dtype: numpy's name of its type: uint8, int8, int16, int32, int64, float16, float32,
            float64, bool or str.
        batch: Fixed batch size, or None for any.
        shape: Sizes for one record, without the batch; None if the file declares nothing.
    """

    name: str
    dtype: str
    batch: int | None
    shape: Shape | None


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs, outputs and size of a validated model.

    Args:
        sha256: Digest of the file.
        size: Size of the file in bytes.
        opset: Version of ONNX's own operators in the file.
        opset_run: Version that it is run with: an old one is converted.
        nodes: Number of nodes, at least 1.
        parameters: Number of values in initialisers and constants.
        operators: Names of the operators used, sorted.
        inputs, outputs: At least one of each.
        is_random: Whether it draws random numbers when it runs.
        seeded: Whether it fixes the seed of random numbers.
    """

    sha256: str
    size: int
    opset: int
    opset_run: int
    nodes: int
    parameters: int
    operators: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    is_random: bool
    seeded: bool

    @property
    def batch(self) -> int | None:
        """Fixed batch size of the inputs, or None for any."""
        return self.inputs[0].batch

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def from_json(cls, raw: object) -> ModelInfo:
        """From JSON types.

        Raises:
            msgspec.ValidationError: A field is missing, unknown or of another type.
        """
        return msgspec.convert(raw, cls)
