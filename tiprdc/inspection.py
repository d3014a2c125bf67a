"""An ONNX file read without running it: what it takes and gives, or why it is refused.

ONNX is a small programming language, and its runtimes follow what a file says: into files beside it
(external data), into loops and branches, into operators that somebody registered, into tensors of
any size. An extractor needs none of it. So what is not known to be harmless is refused: operators
beyond `OPERATORS`, graphs inside nodes, functions, other domains, sparse or string tensors,
external data, sizes that no record has.

What a graph costs when it runs cannot be read off it (`Expand` of a computed shape); the limits of
tiprdc/confined.py hold it. Parsing a hostile file has its price too: call this in there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, ValueInfoProto

from tiprdc.documents import printable
from tiprdc.errors import ModelError
from tiprdc.model_facts import ModelFacts, Shape

OPERATORS = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu
    Clip Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace
    DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike
    Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
    GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity
    InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QLinearConv
    QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike RandomUniform
    RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
    RotaryEmbedding Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size
    Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh
    ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
    """.split()  # noqa: SIM905  # a list of 130 quoted names hides what is on it
)
"""Operators that networks are exported to: tensors in, tensors out, no graph inside."""

MOST_NODES = 20_000
MOST_ELEMENTS = 2**26
"""Of one record, or of what is declared for one."""
MOST_PARAMETERS = 2**29
MOST_BATCH = 4096
MOST_RANK = 5
_OPSETS = (11, 26)
_LARGEST_INT = 2**31

_TENSORS: dict[int, str] = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.INT32: "int32",
    TensorProto.INT64: "int64", TensorProto.UINT16: "uint16", TensorProto.INT16: "int16",
    TensorProto.UINT32: "uint32", TensorProto.UINT64: "uint64", TensorProto.BOOL: "bool",
}  # fmt: skip
_TAKEN = ("uint8", "int32", "int64", "float16", "float32", "float64")
_GIVEN = (*_TAKEN, "int8")
_FIELDS = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data",
    "uint32": "uint64_data", "uint64": "uint64_data",
}  # fmt: skip
_ATTRIBUTES = (
    AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR,
    AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS,
)  # fmt: skip


def inspect(data: bytes, where: str) -> ModelFacts:
    """Read an ONNX file's bytes, and refuse whatever an extractor does not need.

    Args:
        data: The file.
        where: Its name, for messages.

    Raises:
        ModelError: It is not an ONNX model, or is refused; the message says what was found.
    """
    try:
        return _facts(data, where)
    # protobuf decodes a name when it is looked at, not when it is parsed.
    except UnicodeDecodeError as error:
        raise _refused(where, "a name that is not UTF-8", "a whole ONNX file") from error


def _facts(data: bytes, where: str) -> ModelFacts:
    model = _parse(data, where)
    graph = model.graph
    opset = _check_header(model, where)
    operators = _check_nodes(graph.node, where)
    parameters = _check_tensors(_tensors(graph), where)
    taken, given = _only_input(graph, where), _only_output(graph, where)
    _check_flow(graph, taken.name, given.name, where)
    try:
        onnx.checker.check_model(model)
    # onnx raises its own class, ValueError, TypeError and RuntimeError, by what is wrong.
    except Exception as error:
        words = f"onnx's checker refuses it: {_brief(error)}"
        raise _refused(where, words, "a valid model") from error
    batch, input_shape = _declared(taken, _TAKEN, where)
    if input_shape is None:
        raise _refused(where, f"an input {_quoted(taken.name)} without a shape", "declared sizes")
    _, output_shape = _declared(given, _GIVEN, where)
    return ModelFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        opset=opset,
        nodes=len(graph.node),
        parameters=parameters,
        operators=operators,
        batch=batch,
        input_name=taken.name,
        input_dtype=_TENSORS[taken.type.tensor_type.elem_type],
        input_shape=input_shape,
        output_name=given.name,
        output_dtype=_TENSORS[given.type.tensor_type.elem_type],
        output_shape=output_shape,
    )


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        # Not onnx.load: it would follow external data.
        model.ParseFromString(data)
    # protobuf's DecodeError, which onnx does not pass on as a class.
    except Exception as error:
        given = f"no ONNX model, or one that was cut short ({type(error).__name__})"
        raise _refused(where, given, "a whole ONNX file") from error
    if not model.HasField("graph") or not model.graph.node:
        raise _refused(where, "no graph, or one without nodes", "an ONNX model")
    return model


def _check_header(model: onnx.ModelProto, where: str) -> int:
    """The version of ONNX's own operators."""
    if model.functions:
        raise _refused(where, f"{len(model.functions)} functions of its own", "none")
    if model.training_info:
        raise _refused(where, "graphs for training", "a graph that computes features alone")
    own = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    others = sorted({o.domain for o in model.opset_import} - {"", "ai.onnx"})
    # Exporters list domains that they do not use; a node of one is refused where it is found.
    if len(own) != 1:
        raise _refused(where, f"{len(own)} versions of ONNX's operators", "one")
    if len(others) > 16:
        raise _refused(where, f"{len(others)} domains of operators", "at most 16")
    low, high = _OPSETS
    if not low <= own[0] <= high:
        raise _refused(where, f"operator set {own[0]}", f"{low} to {high}")
    return int(own[0])


def _check_nodes(nodes: Iterable[NodeProto], where: str) -> tuple[str, ...]:
    """The operators, sorted."""
    seen: set[str] = set()
    for number, node in enumerate(nodes, 1):
        if number > MOST_NODES:
            raise _refused(where, "more nodes than that", f"at most {MOST_NODES:,} nodes")
        if node.domain not in ("", "ai.onnx"):
            given = f"an operator {_quoted(node.op_type)} of the domain {_quoted(node.domain)}"
            raise _refused(where, given, "ONNX's own operators")
        if node.op_type not in OPERATORS:
            given = f"the operator {_quoted(node.op_type)}"
            raise _refused(where, given, "operators of tiprdc/inspection.py")
        for attribute in node.attribute:
            _check_attribute(node, attribute, where)
        seen.add(node.op_type)
    return tuple(sorted(seen))


def _check_attribute(node: NodeProto, attribute: AttributeProto, where: str) -> None:
    name = f"{_quoted(attribute.name)} of a node {node.op_type}"
    hidden = attribute.HasField("g") or attribute.HasField("sparse_tensor") or attribute.graphs
    if attribute.type not in _ATTRIBUTES or hidden or attribute.ref_attr_name:
        given = f"{name}, which is no number, text or tensor"
        raise _refused(where, given, "numbers, texts and tensors: no graphs in nodes")
    if any(abs(number) > _LARGEST_INT for number in (attribute.i, *attribute.ints)):
        raise _refused(where, f"a number in {name} beyond 2^31", "sizes that a computer has")
    if not all(map(math.isfinite, (attribute.f, *attribute.floats))):
        raise _refused(where, f"a number in {name} that is not finite", "finite numbers")


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Every tensor that the file brings along."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensors(tensors: Iterable[TensorProto], where: str) -> int:
    """Numbers in all of them together."""
    total = 0
    for tensor in tensors:
        total += _check_tensor(tensor, where)
        if total > MOST_PARAMETERS:
            raise _refused(where, "more numbers than that", f"at most {MOST_PARAMETERS:,} numbers")
    return total


def _check_tensor(tensor: TensorProto, where: str) -> int:
    name = f"the tensor {_quoted(tensor.name)}"
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise _refused(
            where, f"{name} lies in another file", "one file with everything in it",
            "save it again with `onnx.save(model, path, save_as_external_data=False)`",
        )  # fmt: skip
    if tensor.data_type not in _TENSORS:
        raise _refused(where, f"{name} of type {tensor.data_type}", "numbers of 8 to 64 bits")
    if tensor.HasField("segment"):
        raise _refused(where, f"{name} is a segment of one", "whole tensors")
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 16:
        raise _refused(where, f"{name} with impossible sizes", "sizes of at least 0")
    count = math.prod(map(int, tensor.dims))
    dtype = _TENSORS[tensor.data_type]
    if count != _held(tensor, dtype):
        raise _refused(where, f"{name} holds more or fewer numbers than declared", "as declared")
    if dtype.startswith("float") and not _no_nan(tensor, dtype):
        raise _refused(where, f"{name} holds NaN", "numbers")
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


def _only_input(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if graph.sparse_initializer:
        raise _refused(where, "sparse tensors", "dense ones")
    # Old exporters list the weights as inputs too.
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(_quoted(value.name) for value in inputs[:5])
        raise _refused(where, f"{len(inputs)} inputs ({names})", "one input: the record")
    (value,) = inputs
    return value


def _only_output(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if len(graph.output) != 1:
        names = ", ".join(_quoted(value.name) for value in graph.output[:5])
        raise _refused(
            where, f"{len(graph.output)} outputs ({names})", "one output: the features",
            "cut the model with `onnx.utils.extract_model`",
        )  # fmt: skip
    value: ValueInfoProto = graph.output[0]
    return value


def _check_flow(graph: onnx.GraphProto, taken: str, given: str, where: str) -> None:
    """Every value is made once, before it is used: so there is no cycle."""
    made = {taken, *(tensor.name for tensor in graph.initializer)}
    for node in graph.node:
        for name in node.input:
            if name and name not in made:
                wanted = f"a node {node.op_type} takes {_quoted(name)} before anything makes it"
                raise _refused(where, wanted, "nodes in the order of their work, no cycle")
        for name in filter(None, node.output):
            if name in made:
                raise _refused(where, f"{_quoted(name)} is made twice", "once")
            made.add(name)
    if given not in made:
        raise _refused(where, f"nothing makes the output {_quoted(given)}", "an output")


def _declared(
    value: ValueInfoProto, types: tuple[str, ...], where: str
) -> tuple[int | None, Shape | None]:
    """The batch, and the shape of one record, that an input or output declares."""
    name = _quoted(value.name)
    if not value.type.HasField("tensor_type"):
        raise _refused(where, f"{name} is no tensor", "a tensor")
    tensor = value.type.tensor_type
    dtype = _TENSORS.get(tensor.elem_type)
    if dtype not in types:
        given = f"{name} of type {dtype or tensor.elem_type}"
        raise _refused(where, given, f"one of {', '.join(types)}")
    if not tensor.HasField("shape"):
        return None, None
    sizes: Shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    if not 2 <= len(sizes) <= MOST_RANK:
        raise _refused(where, f"{name} with {len(sizes)} axes", f"2 to {MOST_RANK}, batch first")
    known = [size for size in sizes if size is not None]
    if any(size < 1 for size in known) or math.prod(known) > MOST_ELEMENTS:
        given = f"{name} of {' x '.join(map(str, known))}"
        raise _refused(where, given, f"1 to {MOST_ELEMENTS:,} numbers")
    if sizes[0] is not None and sizes[0] > MOST_BATCH:
        raise _refused(where, f"batches of {sizes[0]}", f"1 to {MOST_BATCH}")
    return sizes[0], sizes[1:]


def _refused(where: str, given: str, allowed: str, mend: str = "") -> ModelError:
    return ModelError(printable(where), given, allowed, mend)


def _quoted(name: str) -> str:
    """A stranger's name, short and without what could rewrite a terminal."""
    text = printable(name).replace("\n", " ").replace("\t", " ")
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _brief(error: Exception) -> str:
    lines = [printable(line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200]
