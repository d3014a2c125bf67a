"""The inputs and outputs that a graph declares."""

from __future__ import annotations

import math

from onnx import GraphProto, ValueInfoProto

from tiprdc.sandbox.messages import quote, refusal
from tiprdc.sandbox.model_info import TEXT, Shape, TensorInfo
from tiprdc.sandbox.tensors import DTYPES, TEXT_TYPE

MAX_INPUTS, MAX_OUTPUTS = 4096, 256
MAX_ELEMENTS = 2**26
"""Most numbers in the declared shape of an input or output."""
MAX_BATCH = 4096
MAX_RANK = 5
_INPUT_DTYPES = ("uint8", "int16", "int32", "int64", "float16", "float32", "float64", TEXT)
_OUTPUT_DTYPES = (*_INPUT_DTYPES, "int8", "bool")


def record_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that are no weights: old exporters list weights as inputs too."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def check_counts(graph: GraphProto, where: str) -> None:
    """Check the numbers of inputs and outputs.

    Raises:
        ModelError: There is none, or there are too many, or an output twice.
    """
    given = record_inputs(graph)
    if not 1 <= len(given) <= MAX_INPUTS:
        raise refusal(where, f"{len(given)} inputs", f"1 to {MAX_INPUTS:,}")
    if not 1 <= len(graph.output) <= MAX_OUTPUTS:
        raise refusal(where, f"{len(graph.output)} outputs", f"1 to {MAX_OUTPUTS:,}")
    if len({value.name for value in graph.output}) < len(graph.output):
        raise refusal(where, "an output twice", "each once")


def inputs(graph: GraphProto, where: str) -> tuple[TensorInfo, ...]:
    """The inputs; all leave the batch open, or fix the same one.

    Raises:
        ModelError: One has no shape, another type or an absurd size.
    """
    infos = tuple(_tensor(value, _INPUT_DTYPES, where) for value in record_inputs(graph))
    for info in infos:
        if info.shape is None:
            raise refusal(where, f"an input {quote(info.name)} without a shape", "declared sizes")
    batches = {info.batch for info in infos}
    if len(batches) > 1:
        raise refusal(where, "inputs with different batch sizes", "the same for all")
    if math.prod(size or 1 for info in infos for size in info.shape or ()) > MAX_ELEMENTS:
        raise refusal(where, "inputs of more numbers than that", f"at most {MAX_ELEMENTS:,}")
    return infos


def outputs(graph: GraphProto, where: str) -> tuple[TensorInfo, ...]:
    """The outputs.

    Raises:
        ModelError: One has another type or an absurd size.
    """
    return tuple(_tensor(value, _OUTPUT_DTYPES, where) for value in graph.output)


def _tensor(value: ValueInfoProto, dtypes: tuple[str, ...], where: str) -> TensorInfo:
    name = quote(value.name)
    if not value.type.HasField("tensor_type"):
        raise refusal(where, f"{name} is no tensor", "a tensor")
    tensor = value.type.tensor_type
    dtype = TEXT if tensor.elem_type == TEXT_TYPE else DTYPES.get(tensor.elem_type)
    if dtype not in dtypes or dtype is None:
        given = f"{name} of type {dtype or tensor.elem_type}"
        raise refusal(where, given, f"one of {', '.join(dtypes)}")
    if not tensor.HasField("shape"):
        return TensorInfo(name=value.name, dtype=dtype, batch=None, shape=None)
    sizes: Shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    if not 1 <= len(sizes) <= MAX_RANK:
        raise refusal(where, f"{name} with {len(sizes)} axes", f"1 to {MAX_RANK}, batch first")
    fixed = [size for size in sizes if size is not None]
    if any(size < 1 for size in fixed) or math.prod(fixed) > MAX_ELEMENTS:
        given = f"{name} of {' x '.join(map(str, fixed))}"
        raise refusal(where, given, f"1 to {MAX_ELEMENTS:,} numbers")
    if sizes[0] is not None and sizes[0] > MAX_BATCH:
        raise refusal(where, f"batches of {sizes[0]}", f"1 to {MAX_BATCH}")
    return TensorInfo(name=value.name, dtype=dtype, batch=sizes[0], shape=sizes[1:])
