"""Rewrites valid graphs that onnxruntime's features cannot be read from as they are.

Operator sets 7 to 10 are converted by onnx's own converter. `ZipMap`, with which scikit-learn's
pipelines turn probabilities into maps from class to probability, becomes the probabilities
themselves: the same numbers, in the order of the classes.
"""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper, version_converter

from tiprdc.sandbox.messages import quote, refusal

OLDEST_READ, OLDEST_RUN, NEWEST = 7, 11, 26
"""Operator sets that are read, run without conversion, and the newest one."""


def convert(model: ModelProto, opset: int, where: str) -> ModelProto | None:
    """The model as it is run; None if nothing is to change.

    Args:
        model: Its nodes, tensors and order were checked.
        opset: Version of ONNX's own operators.
        where: Name of the file in messages.

    Raises:
        ModelError: onnx cannot convert it.
    """
    has_maps = _replace_zip_maps(model)
    if opset < OLDEST_RUN:
        return _to_newer_opset(model, opset, where)
    return model if has_maps else None


def _replace_zip_maps(model: ModelProto) -> bool:
    """Replace every `ZipMap` in place; whether there was one."""
    outputs = {value.name: value for value in model.graph.output}
    zip_maps = [node for node in model.graph.node if node.op_type == "ZipMap"]
    for node in zip_maps:
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
        for name in node.output:
            if name in outputs:
                tensor = outputs[name].type.tensor_type
                tensor.elem_type = TensorProto.FLOAT
                for size in ("batch", "classes"):
                    tensor.shape.dim.add(dim_param=size)
    return bool(zip_maps)


def _to_newer_opset(model: ModelProto, opset: int, where: str) -> ModelProto:
    converted = _converted(model)
    if converted is None:
        operator = quote(_first_not_convertible(model))
        raise refusal(
            where,
            f"onnx cannot convert the operator {operator} from operator set {opset} to"
            f" {OLDEST_RUN}",
            f"operator set {OLDEST_RUN} to {NEWEST}",
            f"export the model again with opset_version={OLDEST_RUN} or later",
        )
    return converted


def _converted(model: ModelProto) -> ModelProto | None:
    try:
        return version_converter.convert_version(model, OLDEST_RUN)
    # onnx raises RuntimeError, its own class or ValueError.
    except Exception:
        return None


def _first_not_convertible(model: ModelProto) -> str:
    """The operator of the first node up to which the graph cannot be converted, by bisection."""
    low, high = 0, len(model.graph.node)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _converted(_first_nodes(model, middle)) else (low, middle)
    return str(model.graph.node[high - 1].op_type)


def _first_nodes(model: ModelProto, count: int) -> ModelProto:
    part = ModelProto()
    part.CopyFrom(model)
    del part.graph.node[count:], part.graph.output[:]
    part.graph.output.append(helper.make_empty_tensor_value_info(part.graph.node[-1].output[0]))
    return part
