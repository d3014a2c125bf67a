"""Hostile ONNX files that the validator refuses, each with a pattern of its error message."""

from __future__ import annotations

import struct

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.helpers.onnx_builders import (
    HUGE,
    OUTSIDE,
    Model,
    bad_name,
    base,
    branch,
    deep_types,
    dims,
    external,
    graph,
    hidden_graph,
    input_dims,
    input_of,
    int64s,
    many_empty_nodes,
    many_nodes,
    modified,
    node,
    terminal_escapes,
    typed_nan,
    weight_of,
    with_external_attribute,
    with_function,
)

# Files that the validator refuses before onnxruntime loads them.
REFUSED: dict[str, tuple[Model, str]] = {
    "empty": (lambda: b"", "no graph"),
    "random bytes": (lambda: bytes(range(256)) * 40, "no ONNX model"),
    "a text": (lambda: b"<html>not a model</html>", "no ONNX model|no graph"),
    "a pickle": (lambda: b"\x80\x04\x95\x1e\x00\x00\x00cposix\nsystem\n", "no ONNX model"),
    "a zip": (lambda: b"PK\x03\x04" + b"\0" * 60, "no ONNX model"),
    "truncated": (lambda: base().SerializeToString()[:-9], "no ONNX model|holds more or fewer"),
    "truncated in a name": (lambda: base().SerializeToString()[:25], "no ONNX model"),
    "onnxruntime's own format": (lambda: struct.pack("<I4s", 8, b"ORTM") + b"\0" * 400, "no "),
    "a length of 2^63": (lambda: b"\x3a" + b"\xff" * 8 + b"\x7f", "no ONNX model"),
    "twenty million empty nodes": (many_empty_nodes, "MiB of memory|no ONNX model|operator ''"),
    "types 5,000 deep": (deep_types, "no ONNX model"),
    "no nodes": (modified(lambda m: m.graph.ClearField("node")), "without nodes"),
    "external data, absolute": (external(OUTSIDE), "lies in another file"),
    "external data, ..": (external("../tiprdc-outside"), "lies in another file"),
    "external data, same folder": (external("weights.bin"), "lies in another file"),
    "external data, /dev/zero": (external("/dev/zero"), "lies in another file"),
    "external data, /proc/self/mem": (external("/proc/self/mem"), "lies in another file"),
    "external data, memory": (external("*/_ORT_MEM_ADDR_/*"), "lies in another file"),
    "external data, a url": (external("file:///etc/passwd"), "lies in another file"),
    "external data, no location": (external("x", "checksum"), "lies in another file"),
    "external data in a node": (with_external_attribute, "lies in another file"),
    "custom domain": (
        lambda: base(
            [node("Shell", ["x"], ["z"], domain="evil.com")], domains=("", "evil.com")
        ).SerializeToString(),
        "'Shell' of the domain 'evil.com'",
    ),
    "microsoft's domain": (
        lambda: base(
            [node("Tokenizer", ["x"], ["z"], domain="com.microsoft")],
            domains=("", "com.microsoft"),
        ).SerializeToString(),
        "of the domain 'com.microsoft'",
    ),
    "python operator": (
        lambda: base(
            [node("PythonOp", ["x"], ["z"], domain="com.microsoft")],
            domains=("", "com.microsoft"),
        ).SerializeToString(),
        "'PythonOp'",
    ),
    "a function of its own": (modified(with_function), "functions of its own"),
    "training graphs": (modified(lambda m: m.training_info.add()), "for training"),
    "If": (graph(branch("If"), tensors={"c": np.array(True)}), "the operator 'If'"),
    "Loop": (
        graph(branch("Loop"), tensors={"n": int64s(2**62), "c": np.array(True)}),
        "the operator 'Loop'",
    ),
    "Scan": (graph(branch("Scan")), "the operator 'Scan'"),
    "SequenceMap": (graph(node("SequenceMap", ["x"], ["z"])), "the operator 'SequenceMap'"),
    "ImageDecoder": (graph(node("ImageDecoder", ["x"], ["z"])), "the operator 'ImageDecoder'"),
    "RegexFullMatch": (
        graph(node("RegexFullMatch", ["x"], ["z"], pattern="(a+)+$")),
        "the operator 'RegexFullMatch'",
    ),
    "unknown operator": (modified(terminal_escapes), r"the operator 'Evil\ufffd\]0;owned"),
    "a graph under another type": (modified(hidden_graph), "no number, text or tensor"),
    "an unknown attribute type": (
        modified(lambda m: m.graph.node[0].attribute.add(name="a")), "no number, text or tensor",
    ),
    "an attribute of 2^60": (
        graph(node("MaxPool", ["x"], ["z"], kernel_shape=[2**60])), r"beyond 2\^31",
    ),
    "an attribute of NaN": (
        graph(node("LeakyRelu", ["x"], ["z"], alpha=float("nan"))), "not finite",
    ),
    "a cycle": (
        graph(node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["a"], ["z"])),
        "'b' before anything makes it",
    ),
    "a node that feeds itself": (graph(node("Add", ["x", "z"], ["z"])), "before anything makes it"),
    "made twice": (graph(node("Neg", ["x"], ["z"]), node("Abs", ["x"], ["z"])), "made twice"),
    "the input made again": (graph(node("Neg", ["x"], ["x"])), "made twice"),
    "an output from nowhere": (graph(node("Neg", ["x"], ["y"])), "nothing makes the output 'z'"),
    "25,001 nodes": (many_nodes, "at most 20,000 nodes"),
    "weights of 2^40 numbers": (dims(HUGE), "holds more or fewer"),
    "weights of 2^62 x 2^62": (dims(2**62, 2**62), "holds more or fewer"),
    "weights whose size overflows to 12": (dims(2**62, 4, 2**62, 12), "holds more or fewer"),
    "weights of -1": (dims(-1, 4, -3), "impossible sizes"),
    "weights with 4,000 axes": (dims(*[1] * 4000), "impossible sizes"),
    "weights cut short": (
        modified(lambda m: setattr(m.graph.initializer[0], "raw_data", b"\0" * 44)),
        "holds more or fewer",
    ),
    "weights of texts": (
        modified(lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.STRING)),
        "of type 8",
    ),
    "weights of no type": (
        modified(lambda m: setattr(m.graph.initializer[0], "data_type", 77)), "of type 77",
    ),
    "sparse weights": (
        modified(lambda m: m.graph.sparse_initializer.add()), "sparse tensors",
    ),
    "a NaN weight": (weight_of(float("nan")), "holds NaN"),
    "a NaN weight, 16 bits": (weight_of(float("nan"), np.float16), "holds NaN"),
    "NaN weights as numbers": (modified(typed_nan), "holds NaN"),
    "an input of 2^40": (input_dims(1, HUGE), "numbers"),
    "an input of 2^30 x 2^30": (input_dims(1, 2**30, 2**30), "numbers"),
    "an input of 0": (input_dims(1, 0), "1 to 67,108,864 numbers"),
    "an input of -4": (input_dims(1, -4), "1 to 67,108,864 numbers"),
    "a batch of 2^24": (input_dims(2**24, 4), "batches of 16777216"),
    "an input without axes": (
        modified(lambda m: m.graph.input[0].type.tensor_type.shape.ClearField("dim")),
        "with 0 axes",
    ),
    "an input without a shape": (
        modified(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")),
        "without a shape|checker",
    ),
    "an input with 9 axes": (input_dims(*[1] * 9), "with 9 axes"),
    "an input of complex numbers": (input_of(TensorProto.COMPLEX64), "of type 14"),
    "an input of no type": (input_of(99), "of type 99|checker"),
    "an input that is a sequence": (
        modified(lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent()),
        "is no tensor|checker",
    ),
    "no input": (modified(lambda m: m.graph.ClearField("input")), "0 inputs"),
    "an input twice": (
        modified(lambda m: m.graph.input.append(m.graph.input[0])), "the input 'x' twice",
    ),
    "an input with a batch of its own": (
        modified(lambda m: m.graph.input.append(helper.make_tensor_value_info("y", 1, [1, 1]))),
        "different batch sizes",
    ),
    "two inputs of 2^40 together": (
        modified(
            lambda m: [m.graph.input.append(
                helper.make_tensor_value_info(name, 1, ["batch", 2**20])) for name in "ab"]
        ),
        "inputs of more numbers",
    ),
    "5,000 inputs": (
        modified(
            lambda m: m.graph.input.extend(
                helper.make_tensor_value_info(f"x{n}", 1, ["batch", 1]) for n in range(5000)
            )
        ),
        "5001 inputs",
    ),
    "no output": (modified(lambda m: m.graph.ClearField("output")), "0 outputs"),
    "an output twice": (
        modified(lambda m: m.graph.output.append(m.graph.output[0])), "an output twice",
    ),
    "an output from nowhere beside another": (
        modified(lambda m: m.graph.output.append(helper.make_tensor_value_info("w9", 1, [4, 3]))),
        "nothing makes the output 'w9'",
    ),
    "1,000 outputs": (
        modified(
            lambda m: m.graph.output.extend(
                helper.make_tensor_value_info("x", 1, ["batch", 4]) for _ in range(1000)
            )
        ),
        "1001 outputs",
    ),
    "a network's operator in scikit-learn's domain": (
        lambda: base(
            [node("If", ["x"], ["z"], domain="ai.onnx.ml")], domains=("", "ai.onnx.ml")
        ).SerializeToString(),
        "the operator 'If'",
    ),
    "maps of scikit-learn": (
        lambda: base(
            [node("DictVectorizer", ["x"], ["z"], domain="ai.onnx.ml", int64_vocabulary=[1])],
            domains=("", "ai.onnx.ml"),
        ).SerializeToString(),
        "the operator 'DictVectorizer'",
    ),
    "texts in raw bytes": (
        modified(lambda m: m.graph.initializer[0].CopyFrom(
            onnx.TensorProto(name="w", dims=[1], data_type=8, raw_data=b"a" * 9))),
        "in raw bytes",
    ),
    "fewer texts than declared": (
        modified(lambda m: m.graph.initializer[0].CopyFrom(
            onnx.TensorProto(name="w", dims=[2**40], data_type=8, string_data=[b"a"]))),
        "fewer texts",
    ),
    "Upsample in a new operator set": (
        graph(node("Upsample", ["x", "w"], ["z"])), "the operator 'Upsample'",
    ),
    "an old Upsample without end": (
        modified(lambda m: (
            setattr(m.opset_import[0], "version", 7),
            m.graph.node[0].CopyFrom(node("Upsample", ["x"], ["z"], scales=[float("inf")])))),
        "not finite",
    ),
    "an old If": (
        modified(lambda m: (
            setattr(m.opset_import[0], "version", 8), m.graph.node[0].CopyFrom(branch("If")))),
        "the operator 'If'",
    ),
    "operator set 3": (
        modified(lambda m: setattr(m.opset_import[0], "version", 3)), "operator set 3",
    ),
    "operator set 2^31": (
        modified(lambda m: setattr(m.opset_import[0], "version", 2**31)), "operator set 2147483648",
    ),
    "no operator set": (modified(lambda m: m.ClearField("opset_import")), "0 versions"),
    "a name that is no UTF-8": (bad_name, "UTF-8|no ONNX model|the operator"),
    "too many arguments": (graph(node("Neg", ["x", "x", "x"], ["z"])), "checker refuses"),
}  # fmt: skip
