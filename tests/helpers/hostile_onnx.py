"""Models and manifests that somebody made to do harm, each with the words of its refusal.

A model is a function that gives bytes. `OUTSIDE` stands for a file that nobody may open.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

OUTSIDE = "/nowhere/tiprdc-outside"
"""Replaced by the path of a file that lies beside the folder."""

Model = Callable[[], bytes]
HUGE = 2**40


def base(
    nodes: list[NodeProto] | None = None,
    tensors: list[TensorProto] | None = None,
    *,
    shape: list[Any] | None = None,
    domains: tuple[str, ...] = ("",),
) -> ModelProto:
    """z = x W with x float32 [batch, 4], or what these nodes make of x and w."""
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["z"])]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or ["batch", 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(np.ones((4, 3), np.float32), "w"), *(tensors or [])],
    )  # fmt: skip
    opsets = [helper.make_opsetid(domain, 20 if domain == "" else 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def changed(change: Callable[[ModelProto], object]) -> Model:
    def make() -> bytes:
        model = base()
        change(model)
        return bytes(model.SerializeToString())

    return make


def built(*nodes: NodeProto, tensors: dict[str, Any] | None = None) -> Model:
    given = [numpy_helper.from_array(np.asarray(v), n) for n, v in (tensors or {}).items()]
    return lambda: bytes(base(list(nodes), given).SerializeToString())


node = helper.make_node


def external(location: str, field: str = "location") -> Model:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key=field, value=location)
        tensor.external_data.add(key="length", value="48")

    return changed(change)


def branch(kind: str) -> NodeProto:
    """A graph inside a node."""
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    inner = helper.make_graph([node("Identity", ["x"], ["o"])], "inner", [], [out])
    if kind == "If":
        return node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    if kind == "Scan":
        return node("Scan", ["x"], ["z"], body=inner, num_scan_inputs=1)
    return node(kind, ["n", "c"], ["z"], body=inner)


def hidden_graph(model: ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.INT)
    attribute.g.CopyFrom(GraphProto(name="inner"))


def with_external_attribute() -> bytes:
    value = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    constant = node("Constant", [], ["k"], value=value)
    tensor = constant.attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=OUTSIDE)
    return bytes(base([constant, node("MatMul", ["x", "k"], ["z"])]).SerializeToString())


def with_function(model: ModelProto) -> None:
    model.functions.append(
        helper.make_function(
            "local",
            "f",
            ["a"],
            ["b"],
            [node("Identity", ["a"], ["b"])],
            [helper.make_opsetid("", 20)],
        )
    )  # fmt: skip


def dims(*sizes: int) -> Model:
    def change(model: ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sizes)

    return changed(change)


def input_dims(*sizes: int) -> Model:
    return lambda: bytes(base(shape=list(sizes)).SerializeToString())


def weight_of(value: float, dtype: Any = np.float32) -> Model:
    def change(model: ModelProto) -> None:
        weight = np.ones((4, 3), dtype)
        weight[2, 1] = value
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))

    return changed(change)


def typed_nan(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend([float("nan")] * 12)


def input_of(kind: int) -> Model:
    def change(model: ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind

    return changed(change)


def many_nodes() -> bytes:
    names = ["x", *(f"v{n}" for n in range(25_000))]
    nodes = [node("Neg", [a], [b]) for a, b in pairwise(names)]
    return bytes(base([*nodes, node("Neg", [names[-1]], ["z"])]).SerializeToString())


def many_empty_nodes() -> bytes:
    """20 million empty nodes in 40 MB: each costs a hundred times its bytes once it is parsed."""
    graph = b"\x0a\x00" * 20_000_000
    return b"\x08\x0a\x3a" + _size(len(graph)) + graph


def deep_types() -> bytes:
    """A sequence of sequences of sequences, 5,000 deep, where a type belongs."""
    kind = b""
    for _ in range(5000):
        inner = b"\x0a" + _size(len(kind)) + kind
        kind = b"\x22" + _size(len(inner)) + inner
    value = b"\x0a\x01x\x12" + _size(len(kind)) + kind
    graph = b"\x5a" + _size(len(value)) + value
    return base().SerializeToString() + b"\x3a" + _size(len(graph)) + graph


def _size(number: int) -> bytes:
    """As protobuf writes a length."""
    found = b""
    while True:
        number, low = divmod(number, 128)
        found += bytes([low | (128 if number else 0)])
        if not number:
            return found


def int64s(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64)


def bad_name() -> bytes:
    return base().SerializeToString().replace(b"MatMul", b"Mat\xff\xfel")


def terminal_escapes(model: ModelProto) -> None:
    model.graph.node[0].op_type = "Evil\x1b]0;owned\x07\x1b[2J\u202e" + "A" * 5000


LOADED = "onnxruntime does not load it|onnx's checker refuses it|fails when it runs it"
MEMORY = "MiB of memory|onnxruntime does not load it|fails when it runs it|features, or no space"

# What the inspection refuses by itself, before onnxruntime is asked.
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
    "no nodes": (changed(lambda m: m.graph.ClearField("node")), "without nodes"),
    "external data, absolute": (external(OUTSIDE), "lies in another file"),
    "external data, ..": (external("../tiprdc-outside"), "lies in another file"),
    "external data, beside": (external("weights.bin"), "lies in another file"),
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
    "a function of its own": (changed(with_function), "functions of its own"),
    "training graphs": (changed(lambda m: m.training_info.add()), "for training"),
    "If": (built(branch("If"), tensors={"c": np.array(True)}), "the operator 'If'"),
    "Loop": (
        built(branch("Loop"), tensors={"n": int64s(2**62), "c": np.array(True)}),
        "the operator 'Loop'",
    ),
    "Scan": (built(branch("Scan")), "the operator 'Scan'"),
    "SequenceMap": (built(node("SequenceMap", ["x"], ["z"])), "the operator 'SequenceMap'"),
    "ImageDecoder": (built(node("ImageDecoder", ["x"], ["z"])), "the operator 'ImageDecoder'"),
    "RegexFullMatch": (
        built(node("RegexFullMatch", ["x"], ["z"], pattern="(a+)+$")),
        "the operator 'RegexFullMatch'",
    ),
    "unknown operator": (changed(terminal_escapes), r"the operator 'Evil\ufffd\]0;owned"),
    "a graph under another type": (changed(hidden_graph), "no number, text or tensor"),
    "an unknown attribute type": (
        changed(lambda m: m.graph.node[0].attribute.add(name="a")), "no number, text or tensor",
    ),
    "an attribute of 2^60": (
        built(node("MaxPool", ["x"], ["z"], kernel_shape=[2**60])), r"beyond 2\^31",
    ),
    "an attribute of NaN": (
        built(node("LeakyRelu", ["x"], ["z"], alpha=float("nan"))), "not finite",
    ),
    "a cycle": (
        built(node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Neg", ["a"], ["z"])),
        "'b' before anything makes it",
    ),
    "a node that feeds itself": (built(node("Add", ["x", "z"], ["z"])), "before anything makes it"),
    "made twice": (built(node("Neg", ["x"], ["z"]), node("Abs", ["x"], ["z"])), "made twice"),
    "the input made again": (built(node("Neg", ["x"], ["x"])), "made twice"),
    "an output from nowhere": (built(node("Neg", ["x"], ["y"])), "nothing makes the output 'z'"),
    "25,001 nodes": (many_nodes, "at most 20,000 nodes"),
    "weights of 2^40 numbers": (dims(HUGE), "holds more or fewer"),
    "weights of 2^62 x 2^62": (dims(2**62, 2**62), "holds more or fewer"),
    "weights whose size overflows to 12": (dims(2**62, 4, 2**62, 12), "holds more or fewer"),
    "weights of -1": (dims(-1, 4, -3), "impossible sizes"),
    "weights with 4,000 axes": (dims(*[1] * 4000), "impossible sizes"),
    "weights cut short": (
        changed(lambda m: setattr(m.graph.initializer[0], "raw_data", b"\0" * 44)),
        "holds more or fewer",
    ),
    "weights of texts": (
        changed(lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.STRING)),
        "of type 8",
    ),
    "weights of no type": (
        changed(lambda m: setattr(m.graph.initializer[0], "data_type", 77)), "of type 77",
    ),
    "sparse weights": (
        changed(lambda m: m.graph.sparse_initializer.add()), "sparse tensors",
    ),
    "a NaN weight": (weight_of(float("nan")), "holds NaN"),
    "a NaN weight, 16 bits": (weight_of(float("nan"), np.float16), "holds NaN"),
    "NaN weights as numbers": (changed(typed_nan), "holds NaN"),
    "an input of 2^40": (input_dims(1, HUGE), "numbers"),
    "an input of 2^30 x 2^30": (input_dims(1, 2**30, 2**30), "numbers"),
    "an input of 0": (input_dims(1, 0), "1 to 67,108,864 numbers"),
    "an input of -4": (input_dims(1, -4), "1 to 67,108,864 numbers"),
    "a batch of 2^24": (input_dims(2**24, 4), "batches of 16777216"),
    "an input without axes": (
        changed(lambda m: m.graph.input[0].type.tensor_type.shape.ClearField("dim")),
        "with 0 axes",
    ),
    "an input without a shape": (
        changed(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")),
        "without a shape|checker",
    ),
    "an input with 9 axes": (input_dims(*[1] * 9), "with 9 axes"),
    "an input of texts": (input_of(TensorProto.STRING), "of type 8|checker"),
    "an input of complex numbers": (input_of(TensorProto.COMPLEX64), "of type 14"),
    "an input of no type": (input_of(99), "of type 99|checker"),
    "an input that is a sequence": (
        changed(lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent()),
        "is no tensor|checker",
    ),
    "no input": (changed(lambda m: m.graph.ClearField("input")), "0 inputs"),
    "two inputs": (
        changed(lambda m: m.graph.input.append(helper.make_tensor_value_info("y", 1, [1, 1]))),
        r"2 inputs \('x', 'y'\)",
    ),
    "no output": (changed(lambda m: m.graph.ClearField("output")), "0 outputs"),
    "two outputs": (
        changed(lambda m: m.graph.output.append(helper.make_tensor_value_info("w", 1, [4, 3]))),
        "2 outputs",
    ),
    "operator set 3": (
        changed(lambda m: setattr(m.opset_import[0], "version", 3)), "operator set 3",
    ),
    "operator set 2^31": (
        changed(lambda m: setattr(m.opset_import[0], "version", 2**31)), "operator set 2147483648",
    ),
    "no operator set": (changed(lambda m: m.ClearField("opset_import")), "0 versions"),
    "a name that is no UTF-8": (bad_name, "UTF-8|no ONNX model|the operator"),
    "too many arguments": (built(node("Neg", ["x", "x", "x"], ["z"])), "checker refuses"),
}  # fmt: skip

# What looks harmless and is not: stopped when it is loaded or run, by the limits or by its result.
# The models are given ten records [10, 4].
STOPPED: dict[str, tuple[Model, str]] = {
    "Expand to a terabyte": (
        built(
            node("Expand", ["x", "n"], ["b"]), node("ReduceSum", ["b"], ["z"]),
            tensors={"n": int64s(2**36, 1, 4)},
        ),
        MEMORY,
    ),
    "Expand of a constant to a terabyte": (
        built(
            node("Expand", ["w", "n"], ["b"]), node("ReduceMax", ["b", "a"], ["c"]),
            node("MatMul", ["x", "c"], ["z"]), tensors={"n": int64s(2**36, 4, 3), "a": int64s(0)},
        ),
        MEMORY,
    ),
    "Tile a million times": (
        built(node("Tile", ["x", "n"], ["z"]), tensors={"n": int64s(1, 10**9)}), MEMORY,
    ),
    "Tile of Tile of Tile": (
        built(
            node("Tile", ["x", "n"], ["a"]), node("Tile", ["a", "n"], ["b"]),
            node("Tile", ["b", "n"], ["z"]), tensors={"n": int64s(1, 10**4)},
        ),
        MEMORY,
    ),
    "ConstantOfShape of a terabyte": (
        built(
            node("ConstantOfShape", ["n"], ["b"]), node("ReduceMax", ["b"], ["c"], keepdims=0),
            node("Add", ["x", "c"], ["z"]), tensors={"n": int64s(2**38)},
        ),
        MEMORY,
    ),
    "Range to 2^62": (
        built(
            node("Range", ["a", "n", "s"], ["r"]), node("Cast", ["r"], ["f"], to=1),
            node("ReduceMax", ["f"], ["c"], keepdims=0), node("Add", ["x", "c"], ["z"]),
            tensors={"a": np.int64(0), "n": np.int64(2**62), "s": np.int64(1)},
        ),
        MEMORY,
    ),
    "Pad by 2^40": (
        built(node("Pad", ["x", "n"], ["z"]), tensors={"n": int64s(0, 2**40, 0, 0)}), MEMORY,
    ),
    "Pad by less than there is": (
        built(node("Pad", ["x", "n"], ["z"]), tensors={"n": int64s(0, -(2**40), 0, 0)}),
        f"{MEMORY}|features of each",
    ),
    "Resize a million times": (
        built(
            node("Resize", ["x", "", "s"], ["z"]),
            tensors={"s": np.array([1e6, 1e6], np.float32)},
        ),
        f"{MEMORY}|features of each",
    ),
    "OneHot of 2^40": (
        built(
            node("Cast", ["x"], ["i"], to=7), node("OneHot", ["i", "n", "v"], ["o"]),
            node("Flatten", ["o"], ["z"]),
            tensors={"n": np.int64(2**40), "v": np.array([0, 1], np.float32)},
        ),
        MEMORY,
    ),
    "EyeLike of a terabyte": (
        built(
            node("Expand", ["x", "n"], ["b"]), node("EyeLike", ["b"], ["z"]),
            tensors={"n": int64s(10, 2**36, 4)},
        ),
        f"{MEMORY}|checker",
    ),
    "Reshape to another number": (
        built(node("Reshape", ["x", "n"], ["z"]), tensors={"n": int64s(7, 13)}), LOADED,
    ),
    "Reshape to 2^62 x 4": (
        built(node("Reshape", ["x", "n"], ["z"]), tensors={"n": int64s(2**62, 4)}), LOADED,
    ),
    "Gather out of range": (
        built(
            node("Gather", ["w", "i"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(0, 1, 2, 2**40)},
        ),
        LOADED,
    ),
    "Gather far before the start": (
        built(
            node("Gather", ["w", "i"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(-(2**62), 0, 1, 2)},
        ),
        LOADED,
    ),
    "ScatterND out of range": (
        built(
            node("ScatterND", ["w", "i", "u"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(2**40, 2).reshape(1, 2), "u": np.ones(1, np.float32)},
        ),
        LOADED,
    ),
    "Div of integers by 0": (
        built(
            node("Cast", ["x"], ["i"], to=7), node("Div", ["i", "o"], ["d"]),
            node("Cast", ["d"], ["z"], to=1), tensors={"o": np.int64(0)},
        ),
        "crashed on it|fails when it runs it|does not load",
    ),
    "Mod by 0": (
        built(
            node("Cast", ["x"], ["i"], to=7), node("Mod", ["i", "o"], ["d"]),
            node("Cast", ["d"], ["z"], to=1), tensors={"o": np.int64(0)},
        ),
        "crashed on it|fails when it runs it|does not load",
    ),
    "log of less than 0": (
        built(
            node("Abs", ["x"], ["a"]), node("Neg", ["a"], ["n"]), node("Log", ["n"], ["z"]),
        ),
        "features of 10 records are not finite",
    ),
    "infinity for one record": (
        built(
            node("Gather", ["x", "i"], ["c"], axis=1), node("Equal", ["c", "v"], ["e"]),
            node("Where", ["e", "inf", "c"], ["z"]),
            tensors={"i": int64s(0), "v": np.float32(2.5), "inf": np.float32("inf")},
        ),
        "features of 1 records are not finite",
    ),
    "one row for all records": (
        built(node("ReduceMean", ["x", "a"], ["z"]), tensors={"a": int64s(0)}),
        "features for 10 records",
    ),
    "no row": (
        built(
            node("Slice", ["x", "a", "a"], ["z"]), tensors={"a": int64s(0)},
        ),
        "features for 10 records",
    ),
    "a number instead of rows": (
        built(node("ReduceSum", ["x"], ["z"], keepdims=0)), "features|does not load",
    ),
    "records in reverse, twice": (
        built(node("Concat", ["x", "x"], ["z"], axis=0)), "features for 10 records",
    ),
    "shapes that do not fit": (
        built(node("MatMul", ["x", "v"], ["z"]), tensors={"v": np.ones((5, 3), np.float32)}),
        LOADED,
    ),
    "work without end": (
        built(
            node("Expand", ["x", "n"], ["b"]), node("Expand", ["y", "m"], ["c"]),
            *(node("MatMul", ["c", "c"] if n == 0 else [f"c{n - 1}", "c"], [f"c{n}"])
              for n in range(60)),
            node("ReduceSum", ["c59"], ["s"], keepdims=0), node("Add", ["x", "s"], ["z"]),
            tensors={"n": int64s(10, 4), "y": np.zeros((1, 1), np.float32),
                     "m": int64s(4096, 4096)},
        ),
        "needs more than 3 s",
    ),
}  # fmt: skip


def edited(**changes: Any) -> Callable[[dict[str, Any]], str]:
    """A manifest with other values; a key `a__b` is b in a."""

    def make(manifest: dict[str, Any]) -> str:
        for key, value in changes.items():
            *path, last = key.split("__")
            at = manifest
            for step in path:
                at = at[step]
            at[last] = value
        return json.dumps(manifest)

    return make


def listing(name: str) -> Callable[[dict[str, Any]], str]:
    """A manifest that lists another file."""

    def make(manifest: dict[str, Any]) -> str:
        manifest["files"][name] = {"sha256": "0" * 64, "bytes": 14}
        return json.dumps(manifest)

    return make


def _file(**changes: Any) -> Callable[[dict[str, Any]], str]:
    def make(manifest: dict[str, Any]) -> str:
        manifest["files"]["extractor.onnx"].update(changes)
        return json.dumps(manifest)

    return make


# What is written in place of manifest.json; given the honest one.
MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], str | bytes], str]] = {
    "empty": (lambda _: "", "cannot be read as JSON"),
    "a list": (lambda _: "[]", "a JSON list"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "cannot be read as JSON"),
    "bad UTF-8": (lambda m: json.dumps(m).encode() + b"\xff", "cannot be read as JSON"),
    "UTF-16": (lambda m: json.dumps(m).encode("utf-16"), "cannot be read as JSON"),
    "cut short": (lambda m: json.dumps(m)[:-5], "cannot be read as JSON"),
    "a key twice": (lambda m: json.dumps(m)[:-1] + ', "files": {}}', "cannot be read as JSON"),
    "lists 100,000 deep": (lambda _: "[" * 100_000, "cannot be read as JSON"),
    "objects 900 deep": (lambda _: '{"a":' * 900 + "1" + "}" * 900, "cannot be read|version None"),
    "a number of 100,000 digits": (
        lambda m: json.dumps(m).replace('"opset": 20', '"opset": ' + "9" * 100_000),
        "cannot be read as JSON",
    ),
    "100 MB": (lambda m: json.dumps(m) + " " * 100_000_000, "at most 67,108,864 bytes"),
    "another version": (edited(manifest_version=99), "manifest_version 99"),
    "a version that is a list": (edited(manifest_version=[1]), "manifest_version"),
    "no files": (edited(files={}), "lists no extractor.onnx"),
    "files that are a list": (
        edited(files=["extractor.onnx"]),
        r"files: expected `object`, got `array`",
    ),
    "a path up": (listing("../tiprdc-outside"), "lies elsewhere"),
    "an absolute path": (listing(OUTSIDE), "lies elsewhere"),
    "a path of Windows": (listing("..\\tiprdc-outside"), "lies elsewhere"),
    "a drive": (listing("C:evil"), "lies elsewhere"),
    "a path with NUL": (listing("a\0b"), "lies elsewhere"),
    "a hidden file": (listing(".bashrc"), "lies elsewhere"),
    "itself": (listing("manifest.json"), "lies elsewhere"),
    "an escape in a name": (listing("a\x1b[2J"), "lies elsewhere"),
    "a name of a megabyte": (listing("a" * 10**6), "lies elsewhere"),
    "a file that is not there": (listing("other.bin"), "no such file"),
    "another digest": (_file(sha256="0" * 64), "sha256"),
    "a digest that is none": (_file(sha256="../../x"), r"files\.\*\.sha256: expected `str`"),
    "a size below 0": (_file(bytes=-1), r"files\.\*\.bytes: expected `int` >= 0"),
    "a size of 10^30": (_file(bytes=10**30), r"files.*larger than|files\.\*\.bytes: "),
    "a size that is a text": (_file(bytes="many"), r"files\.\*\.bytes: expected `int`, got `str`"),
    "another size": (_file(bytes=5), "5 bytes"),
    "records of 10^20 numbers": (edited(input__shape=["batch", 10**10, 10**10]), "beyond what"),
    "records of -3": (edited(input__shape=["batch", -3, 8, 8]), "without sizes"),
    "records without sizes": (edited(input__shape=["batch"]), "without sizes"),
    "features without end": (edited(output__shape=["batch", 2**62]), "beyond what"),
    "a shape that is a text": (
        edited(input__shape="batch"),
        r"input\.shape: expected `array`, got `str`",
    ),
    "a modality that is none": (
        edited(input__modality="../../etc"),
        r"input\.modality: a value that is not allowed",
    ),
    "a type that is none": (edited(input__dtype="object"), r"input\.dtype: a type that no release"),
    "another type than the model's": (
        edited(input__dtype="float32", input__modality="table", input__shape=["batch", 0]),
        "without sizes",
    ),
    "infinite noise": (edited(output__noise=float("inf")), "not finite"),
    "a bound of NaN": (edited(output__clip=float("nan")), "not finite"),
    "another input's name": (edited(input__name="y"), "input differs from the manifest"),
    "another output's name": (edited(output__name="x"), "output differs from the manifest"),
}
