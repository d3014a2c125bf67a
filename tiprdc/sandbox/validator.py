"""Validates an ONNX file without running it: returns its input and output, or refuses it.

ONNX is a small programming language, and a runtime executes whatever a file contains: reads of
other files (external data), loops and branches, custom operators, tensors of any size. An extractor
needs none of these. So everything that is not known to be harmless is refused: operators outside
`OPERATORS`, graphs inside nodes, functions, other domains, sparse or string tensors, external data,
and sizes that no record has.

The cost of running a graph cannot be computed from it (`Expand` to a computed shape); the limits of
tiprdc/sandbox/worker.py bound it. Parsing a hostile file is costly too, so call this in the worker.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto, NodeProto, ValueInfoProto

from tiprdc.formats.files import sanitize
from tiprdc.sandbox.messages import quote, refusal
from tiprdc.sandbox.model_info import ModelInfo, Shape
from tiprdc.sandbox.tensors import DTYPES, check_tensors, iter_tensors

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
    """.split()  # noqa: SIM905  # 130 quoted names are hard to read
)
"""Allowed operators: those that networks are exported to, with tensors in and out only."""

MAX_NODES = 20_000
MAX_ELEMENTS = 2**26
"""Most numbers in the declared shape of an input or output."""
MAX_BATCH = 4096
MAX_RANK = 5
_OPSETS = (11, 26)
_LARGEST_INT = 2**31

_INPUT_DTYPES = ("uint8", "int32", "int64", "float16", "float32", "float64")
_OUTPUT_DTYPES = (*_INPUT_DTYPES, "int8")
_ATTRIBUTES = (
    AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR,
    AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS,
)  # fmt: skip


def inspect_model(data: bytes, where: str) -> ModelInfo:
    """Validate an ONNX file's bytes; refuse whatever an extractor does not need.

    Args:
        data: Bytes of the file.
        where: Name of the file in error messages.

    Raises:
        ModelError: It is not an ONNX model, or it is refused; the message says why.
    """
    model = _parse(data, where)
    # protobuf returns bytes where a text is not UTF-8.
    if not all(isinstance(name, str) for name in _names(model)):
        raise refusal(where, "a name that is not UTF-8", "a whole ONNX file")
    graph = model.graph
    opset = _check_header(model, where)
    operators = _check_nodes(graph.node, where)
    parameters = check_tensors(iter_tensors(graph), where)
    model_input, model_output = _single_input(graph, where), _single_output(graph, where)
    _check_order(graph, model_input.name, model_output.name, where)
    try:
        onnx.checker.check_model(model)
    # onnx raises its own class, ValueError, TypeError or RuntimeError.
    except Exception as error:
        given = f"onnx's checker refuses it: {_first_line(error)}"
        raise refusal(where, given, "a valid model") from error
    batch, input_shape = _declared_shape(model_input, _INPUT_DTYPES, where)
    if input_shape is None:
        raise refusal(
            where, f"an input {quote(model_input.name)} without a shape", "declared sizes"
        )
    _, output_shape = _declared_shape(model_output, _OUTPUT_DTYPES, where)
    return ModelInfo(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        opset=opset,
        nodes=len(graph.node),
        parameters=parameters,
        operators=operators,
        batch=batch,
        input_name=model_input.name,
        input_dtype=DTYPES[model_input.type.tensor_type.elem_type],
        input_shape=input_shape,
        output_name=model_output.name,
        output_dtype=DTYPES[model_output.type.tensor_type.elem_type],
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
        raise refusal(where, given, "a whole ONNX file") from error
    if not model.HasField("graph") or not model.graph.node:
        raise refusal(where, "no graph, or one without nodes", "an ONNX model")
    return model


def _names(model: onnx.ModelProto) -> Iterator[object]:
    """Every name that is checked below, or shown in a message."""
    graph = model.graph
    yield from (opset.domain for opset in model.opset_import)
    for value in (*graph.input, *graph.output):
        yield value.name
    for tensor in iter_tensors(graph):
        yield tensor.name
    for node in graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)


def _check_header(model: onnx.ModelProto, where: str) -> int:
    """The version of ONNX's own operators."""
    if model.functions:
        raise refusal(where, f"{len(model.functions)} functions of its own", "none")
    if model.training_info:
        raise refusal(where, "graphs for training", "a graph that computes features alone")
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    others = sorted({o.domain for o in model.opset_import} - {"", "ai.onnx"})
    # Exporters list domains that they do not use; `_check_nodes` refuses nodes of these domains.
    if len(versions) != 1:
        raise refusal(where, f"{len(versions)} versions of ONNX's operators", "one")
    if len(others) > 16:
        raise refusal(where, f"{len(others)} domains of operators", "at most 16")
    low, high = _OPSETS
    if not low <= versions[0] <= high:
        raise refusal(where, f"operator set {versions[0]}", f"{low} to {high}")
    return int(versions[0])


def _check_nodes(nodes: Iterable[NodeProto], where: str) -> tuple[str, ...]:
    """The operators, sorted."""
    operators: set[str] = set()
    for number, node in enumerate(nodes, 1):
        if number > MAX_NODES:
            raise refusal(where, "more nodes than that", f"at most {MAX_NODES:,} nodes")
        if node.domain not in ("", "ai.onnx"):
            given = f"an operator {quote(node.op_type)} of the domain {quote(node.domain)}"
            raise refusal(where, given, "ONNX's own operators")
        if node.op_type not in OPERATORS:
            given = f"the operator {quote(node.op_type)}"
            raise refusal(where, given, "operators of tiprdc/sandbox/validator.py")
        for attribute in node.attribute:
            _check_attribute(node, attribute, where)
        operators.add(node.op_type)
    return tuple(sorted(operators))


def _check_attribute(node: NodeProto, attribute: AttributeProto, where: str) -> None:
    name = f"{quote(attribute.name)} of a node {node.op_type}"
    hidden = attribute.HasField("g") or attribute.HasField("sparse_tensor") or attribute.graphs
    if attribute.type not in _ATTRIBUTES or hidden or attribute.ref_attr_name:
        given = f"{name}, which is no number, text or tensor"
        raise refusal(where, given, "numbers, texts and tensors: no graphs in nodes")
    if any(abs(number) > _LARGEST_INT for number in (attribute.i, *attribute.ints)):
        raise refusal(where, f"a number in {name} beyond 2^31", "sizes that a computer has")
    if not all(map(math.isfinite, (attribute.f, *attribute.floats))):
        raise refusal(where, f"a number in {name} that is not finite", "finite numbers")


def _single_input(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if graph.sparse_initializer:
        raise refusal(where, "sparse tensors", "dense ones")
    # Old exporters list weights as inputs too.
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(quote(value.name) for value in inputs[:5])
        raise refusal(where, f"{len(inputs)} inputs ({names})", "one input: the record")
    (value,) = inputs
    return value


def _single_output(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if len(graph.output) != 1:
        names = ", ".join(quote(value.name) for value in graph.output[:5])
        raise refusal(
            where, f"{len(graph.output)} outputs ({names})", "one output: the features",
            "cut the model with `onnx.utils.extract_model`",
        )  # fmt: skip
    value: ValueInfoProto = graph.output[0]
    return value


def _check_order(graph: onnx.GraphProto, input_name: str, output_name: str, where: str) -> None:
    """Every value is computed once, before it is used; so there is no cycle."""
    defined = {input_name, *(tensor.name for tensor in graph.initializer)}
    for node in graph.node:
        for name in node.input:
            if name and name not in defined:
                given = f"a node {node.op_type} takes {quote(name)} before anything makes it"
                raise refusal(where, given, "nodes in order of computation, no cycle")
        for name in filter(None, node.output):
            if name in defined:
                raise refusal(where, f"{quote(name)} is made twice", "once")
            defined.add(name)
    if output_name not in defined:
        raise refusal(where, f"nothing makes the output {quote(output_name)}", "an output")


def _declared_shape(
    value: ValueInfoProto, types: tuple[str, ...], where: str
) -> tuple[int | None, Shape | None]:
    """Declared batch size and shape of one record of an input or output."""
    name = quote(value.name)
    if not value.type.HasField("tensor_type"):
        raise refusal(where, f"{name} is no tensor", "a tensor")
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if dtype not in types:
        given = f"{name} of type {dtype or tensor.elem_type}"
        raise refusal(where, given, f"one of {', '.join(types)}")
    if not tensor.HasField("shape"):
        return None, None
    sizes: Shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    if not 2 <= len(sizes) <= MAX_RANK:
        raise refusal(where, f"{name} with {len(sizes)} axes", f"2 to {MAX_RANK}, batch first")
    fixed = [size for size in sizes if size is not None]
    if any(size < 1 for size in fixed) or math.prod(fixed) > MAX_ELEMENTS:
        given = f"{name} of {' x '.join(map(str, fixed))}"
        raise refusal(where, given, f"1 to {MAX_ELEMENTS:,} numbers")
    if sizes[0] is not None and sizes[0] > MAX_BATCH:
        raise refusal(where, f"batches of {sizes[0]}", f"1 to {MAX_BATCH}")
    return sizes[0], sizes[1:]


def _first_line(error: Exception) -> str:
    lines = [sanitize(line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200]
