"""Random numbers in a graph: finds them, and replaces them by constants.

With constants in their place a graph gives the same features in every call, so that features can be
compared between calls. A constant is not zero: a product with it must still show the other factor.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import ModelProto, NodeProto, TensorProto, helper

_NORMAL = ("RandomNormal", "RandomNormalLike")
_UNIFORM = ("RandomUniform", "RandomUniformLike")
RANDOM = frozenset((*_NORMAL, *_UNIFORM))
_CAST_LIKE = 15
"""Operator set from which `CastLike` exists."""


def is_random(node: NodeProto) -> bool:
    """Whether a node draws random numbers: also a `Dropout` that may be in training mode."""
    return node.op_type in RANDOM or (node.op_type == "Dropout" and _training_mode(node))


def has_seed(node: NodeProto) -> bool:
    """Whether a node fixes the seed of its random numbers."""
    return is_random(node) and any(attribute.name == "seed" for attribute in node.attribute)


def with_constant_noise(model: ModelProto) -> ModelProto:
    """The model with a constant in place of each random number.

    A normal one becomes its mean plus one deviation, a uniform one a number at 0.7 of its range;
    dropout passes its input on.
    """
    constant = ModelProto()
    constant.CopyFrom(model)
    del constant.graph.node[:]
    opset = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    for number, node in enumerate(model.graph.node):
        constant.graph.node.extend(_without_noise(node, f"tiprdc_noise_{number}", opset))
    return constant


def _without_noise(node: NodeProto, prefix: str, opset: int) -> Iterator[NodeProto]:
    if not is_random(node):
        yield node
        return
    if node.op_type == "Dropout":
        copy = NodeProto()
        copy.CopyFrom(node)
        del copy.input[2:]
        yield copy
        return
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type in _NORMAL:
        value = attributes.get("mean", 0.0) + attributes.get("scale", 1.0)
    else:
        low, high = attributes.get("low", 0.0), attributes.get("high", 1.0)
        value = low + 0.7 * (high - low)
    shape, filled, (out,) = f"{prefix}_shape", f"{prefix}_filled", node.output
    if node.op_type.endswith("Like"):
        yield helper.make_node("Shape", [node.input[0]], [shape])
    else:
        sizes = attributes["shape"]
        sizes_tensor = helper.make_tensor(prefix, TensorProto.INT64, [len(sizes)], sizes)
        yield helper.make_node("Constant", [], [shape], value=sizes_tensor)
    one = helper.make_tensor(prefix, TensorProto.FLOAT, [1], [value])
    yield helper.make_node("ConstantOfShape", [shape], [filled], value=one)
    if "dtype" in attributes:
        yield helper.make_node("Cast", [filled], [out], to=attributes["dtype"])
    elif node.op_type.endswith("Like") and opset >= _CAST_LIKE:
        yield helper.make_node("CastLike", [filled, node.input[0]], [out])
    else:
        yield helper.make_node("Identity", [filled], [out])


def _training_mode(node: NodeProto) -> bool:
    return len(node.input) > 2 and bool(node.input[2])
