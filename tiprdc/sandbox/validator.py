"""An ONNX file read without running it: what it takes and gives, or why it is refused.

ONNX is a small programming language, and its runtimes follow what a file says: into files beside it
(external data), into loops and branches, into operators that somebody registered, into tensors of
any size. An extractor needs none of it. So what is not known to be harmless is refused: operators
beyond `OPERATORS`, graphs inside nodes, functions, other domains, sparse or string tensors,
external data, sizes that no record has.

What a graph costs when it runs cannot be read off it (`Expand` of a computed shape); the limits of
tiprdc/sandbox/worker.py hold it. Parsing a hostile file has its price too: call this in there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto, NodeProto, ValueInfoProto

from tiprdc.formats.files import sanitize
from tiprdc.sandbox.messages import quoted, refused
from tiprdc.sandbox.model_info import ModelFacts, Shape
from tiprdc.sandbox.tensors import DTYPES, check_tensors, tensors

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
MOST_BATCH = 4096
MOST_RANK = 5
_OPSETS = (11, 26)
_LARGEST_INT = 2**31

_TAKEN = ("uint8", "int32", "int64", "float16", "float32", "float64")
_GIVEN = (*_TAKEN, "int8")
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
    model = _parse(data, where)
    # protobuf gives bytes where a text is no UTF-8.
    if not all(isinstance(name, str) for name in _names(model)):
        raise refused(where, "a name that is not UTF-8", "a whole ONNX file")
    graph = model.graph
    opset = _check_header(model, where)
    operators = _check_nodes(graph.node, where)
    parameters = check_tensors(tensors(graph), where)
    taken, given = _only_input(graph, where), _only_output(graph, where)
    _check_flow(graph, taken.name, given.name, where)
    try:
        onnx.checker.check_model(model)
    # onnx raises its own class, ValueError, TypeError and RuntimeError, by what is wrong.
    except Exception as error:
        words = f"onnx's checker refuses it: {_brief(error)}"
        raise refused(where, words, "a valid model") from error
    batch, input_shape = _declared(taken, _TAKEN, where)
    if input_shape is None:
        raise refused(where, f"an input {quoted(taken.name)} without a shape", "declared sizes")
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
        input_dtype=DTYPES[taken.type.tensor_type.elem_type],
        input_shape=input_shape,
        output_name=given.name,
        output_dtype=DTYPES[given.type.tensor_type.elem_type],
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
        raise refused(where, given, "a whole ONNX file") from error
    if not model.HasField("graph") or not model.graph.node:
        raise refused(where, "no graph, or one without nodes", "an ONNX model")
    return model


def _names(model: onnx.ModelProto) -> Iterator[object]:
    """Every name that is looked at below, or shown."""
    graph = model.graph
    yield from (one.domain for one in model.opset_import)
    for value in (*graph.input, *graph.output):
        yield value.name
    for tensor in tensors(graph):
        yield tensor.name
    for node in graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)


def _check_header(model: onnx.ModelProto, where: str) -> int:
    """The version of ONNX's own operators."""
    if model.functions:
        raise refused(where, f"{len(model.functions)} functions of its own", "none")
    if model.training_info:
        raise refused(where, "graphs for training", "a graph that computes features alone")
    own = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    others = sorted({o.domain for o in model.opset_import} - {"", "ai.onnx"})
    # Exporters list domains that they do not use; a node of one is refused where it is found.
    if len(own) != 1:
        raise refused(where, f"{len(own)} versions of ONNX's operators", "one")
    if len(others) > 16:
        raise refused(where, f"{len(others)} domains of operators", "at most 16")
    low, high = _OPSETS
    if not low <= own[0] <= high:
        raise refused(where, f"operator set {own[0]}", f"{low} to {high}")
    return int(own[0])


def _check_nodes(nodes: Iterable[NodeProto], where: str) -> tuple[str, ...]:
    """The operators, sorted."""
    seen: set[str] = set()
    for number, node in enumerate(nodes, 1):
        if number > MOST_NODES:
            raise refused(where, "more nodes than that", f"at most {MOST_NODES:,} nodes")
        if node.domain not in ("", "ai.onnx"):
            given = f"an operator {quoted(node.op_type)} of the domain {quoted(node.domain)}"
            raise refused(where, given, "ONNX's own operators")
        if node.op_type not in OPERATORS:
            given = f"the operator {quoted(node.op_type)}"
            raise refused(where, given, "operators of tiprdc/sandbox/validator.py")
        for attribute in node.attribute:
            _check_attribute(node, attribute, where)
        seen.add(node.op_type)
    return tuple(sorted(seen))


def _check_attribute(node: NodeProto, attribute: AttributeProto, where: str) -> None:
    name = f"{quoted(attribute.name)} of a node {node.op_type}"
    hidden = attribute.HasField("g") or attribute.HasField("sparse_tensor") or attribute.graphs
    if attribute.type not in _ATTRIBUTES or hidden or attribute.ref_attr_name:
        given = f"{name}, which is no number, text or tensor"
        raise refused(where, given, "numbers, texts and tensors: no graphs in nodes")
    if any(abs(number) > _LARGEST_INT for number in (attribute.i, *attribute.ints)):
        raise refused(where, f"a number in {name} beyond 2^31", "sizes that a computer has")
    if not all(map(math.isfinite, (attribute.f, *attribute.floats))):
        raise refused(where, f"a number in {name} that is not finite", "finite numbers")


def _only_input(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if graph.sparse_initializer:
        raise refused(where, "sparse tensors", "dense ones")
    # Old exporters list the weights as inputs too.
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(quoted(value.name) for value in inputs[:5])
        raise refused(where, f"{len(inputs)} inputs ({names})", "one input: the record")
    (value,) = inputs
    return value


def _only_output(graph: onnx.GraphProto, where: str) -> ValueInfoProto:
    if len(graph.output) != 1:
        names = ", ".join(quoted(value.name) for value in graph.output[:5])
        raise refused(
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
                wanted = f"a node {node.op_type} takes {quoted(name)} before anything makes it"
                raise refused(where, wanted, "nodes in the order of their work, no cycle")
        for name in filter(None, node.output):
            if name in made:
                raise refused(where, f"{quoted(name)} is made twice", "once")
            made.add(name)
    if given not in made:
        raise refused(where, f"nothing makes the output {quoted(given)}", "an output")


def _declared(
    value: ValueInfoProto, types: tuple[str, ...], where: str
) -> tuple[int | None, Shape | None]:
    """The batch, and the shape of one record, that an input or output declares."""
    name = quoted(value.name)
    if not value.type.HasField("tensor_type"):
        raise refused(where, f"{name} is no tensor", "a tensor")
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if dtype not in types:
        given = f"{name} of type {dtype or tensor.elem_type}"
        raise refused(where, given, f"one of {', '.join(types)}")
    if not tensor.HasField("shape"):
        return None, None
    sizes: Shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    if not 2 <= len(sizes) <= MOST_RANK:
        raise refused(where, f"{name} with {len(sizes)} axes", f"2 to {MOST_RANK}, batch first")
    known = [size for size in sizes if size is not None]
    if any(size < 1 for size in known) or math.prod(known) > MOST_ELEMENTS:
        given = f"{name} of {' x '.join(map(str, known))}"
        raise refused(where, given, f"1 to {MOST_ELEMENTS:,} numbers")
    if sizes[0] is not None and sizes[0] > MOST_BATCH:
        raise refused(where, f"batches of {sizes[0]}", f"1 to {MOST_BATCH}")
    return sizes[0], sizes[1:]


def _brief(error: Exception) -> str:
    lines = [sanitize(line).strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200]
