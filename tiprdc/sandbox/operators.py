"""The operators that a file may contain: those of networks and of scikit-learn's pipelines.

They take tensors and give tensors. Not among them: graphs inside nodes (If, Loop, Scan), operators
that decode pictures or match patterns, and every other domain.
"""

from __future__ import annotations

import math

from onnx import AttributeProto, NodeProto

from tiprdc.sandbox.messages import quote, refusal

ONNX_DOMAINS = ("", "ai.onnx")
ML_DOMAIN = "ai.onnx.ml"
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
"""Allowed operators of ONNX itself."""
OLD_OPERATORS = frozenset({"Scatter", "Upsample"})
"""Operators of sets below `conversion.OLDEST_RUN`, which the conversion replaces."""
ML_OPERATORS = frozenset(
    """
    ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder
    LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler
    TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap
    """.split()  # noqa: SIM905
)
"""Allowed operators of `ai.onnx.ml`, which skl2onnx and others write; `ZipMap` is replaced."""

_LARGEST_INT = 2**31
_ATTRIBUTES = (
    AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR,
    AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS,
)  # fmt: skip


def check_node(node: NodeProto, where: str, *, old: bool) -> None:
    """Check a node's operator and attributes.

    Args:
        node: The node.
        where: Name of the file in messages.
        old: Whether `OLD_OPERATORS` are allowed, as the file will be converted.

    Raises:
        ModelError: The operator is not allowed, or an attribute is a graph or out of range.
    """
    name, domain = node.op_type, node.domain
    if domain not in (*ONNX_DOMAINS, ML_DOMAIN):
        given = f"an operator {quote(name)} of the domain {quote(domain)}"
        raise refusal(where, given, "operators of ONNX and of ai.onnx.ml", _HINTS.get(name, ""))
    allowed = ML_OPERATORS if domain == ML_DOMAIN else OPERATORS
    if name not in allowed and not (old and domain != ML_DOMAIN and name in OLD_OPERATORS):
        given = f"the operator {quote(name)}"
        raise refusal(
            where, given, "operators of tiprdc/sandbox/operators.py", _HINTS.get(name, "")
        )
    for attribute in node.attribute:
        _check_attribute(node, attribute, where)


_TEXT_HINT = "export the model without its text preparation, and give it token ids"
_HINTS = {
    "Tokenizer": _TEXT_HINT,
    "TfIdfVectorizer": _TEXT_HINT,
    "StringNormalizer": _TEXT_HINT,
    "CDist": "take another model: nearest neighbours hold the training records themselves",
    "Scan": "export it without loops; torch.onnx.export does so for a model in evaluation mode",
    "Loop": "export it without loops; torch.onnx.export does so for a model in evaluation mode",
}
"""What to do about operators that exporters write often."""


def _check_attribute(node: NodeProto, attribute: AttributeProto, where: str) -> None:
    name = f"{quote(attribute.name)} of a node {node.op_type}"
    hidden = attribute.HasField("g") or attribute.HasField("sparse_tensor") or attribute.graphs
    if attribute.type not in _ATTRIBUTES or hidden or attribute.ref_attr_name:
        given = f"{name}, which is no number, text or tensor"
        raise refusal(where, given, "numbers, texts and tensors: no graphs in nodes")
    # Labels of classes may be any number; everything else is a size, an index or a flag.
    is_label = node.domain == ML_DOMAIN and attribute.name.endswith("_int64s")
    if not is_label and any(abs(n) > _LARGEST_INT for n in (attribute.i, *attribute.ints)):
        raise refusal(where, f"a number in {name} beyond 2^31", "sizes that a computer has")
    # An Imputer of scikit-learn names NaN as the value that stands for a missing one.
    finite = (attribute.f, *attribute.floats)
    if attribute.name == "replaced_value_float" and node.op_type == "Imputer":
        finite = tuple(number for number in finite if not math.isnan(number))
    if not all(map(math.isfinite, finite)):
        raise refusal(where, f"a number in {name} that is not finite", "finite numbers")
