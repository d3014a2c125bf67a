"""Divides a graph before its noise, so that several draws of it cost little more than one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onnx import ModelProto
from onnx.shape_inference import infer_shapes
from onnx.utils import Extractor

from tiprdc.sandbox.noise import is_random


@dataclass(frozen=True)
class Split:
    """A graph divided before its random numbers, so that only what follows is run for each draw.

    Args:
        before: Input `x`, outputs `between`; None where the noise is on the record itself.
        after: Inputs `between`, output `z`.
        between: Names of tensors.
    """

    before: bytes | None
    after: bytes
    between: tuple[str, ...]


def split_at_noise(model: ModelProto) -> Split:
    """Divide a graph with input `x`, output `z` and random numbers."""
    between = tuple(dict.fromkeys(_read_by_noise(model)))
    if "x" in between:
        return Split(None, model.SerializeToString(), ("x",))
    parts = Extractor(infer_shapes(model))
    before = parts.extract_model(["x"], list(between))
    after = parts.extract_model(list(between), ["z"])
    return Split(before.SerializeToString(), after.SerializeToString(), between)


def _read_by_noise(model: ModelProto) -> Iterator[str]:
    """Tensors without noise that random numbers, or what is made of these, are computed from."""
    constant = {tensor.name for tensor in model.graph.initializer}
    noisy = set[str]()
    for node in model.graph.node:
        if node.op_type == "Constant":
            constant.update(node.output)
        elif is_random(node) or noisy.intersection(node.input):
            noisy.update(name for name in node.output if name)
            yield from (name for name in node.input if name and name not in noisy | constant)
