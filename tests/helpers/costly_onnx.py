"""ONNX files that pass the validator and must be stopped when loaded or run, with their message."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.helpers.onnx_builders import (
    Model,
    graph,
    input_of,
    int64s,
    ml_graph,
    modified,
    node,
    tree,
)

LOADED = "onnxruntime does not load it|onnx's checker refuses it|fails when it runs it"
MEMORY = "MiB of memory|onnxruntime does not load it|fails when it runs it|features, or no space"
TREES = f"{LOADED}|crashed on it|needs more than 3 s|not finite"

# Files that pass the validator and are stopped when loaded or run, by the limits or by their
# result. The models get ten records [10, 4].
STOPPED: dict[str, tuple[Model, str]] = {
    "Expand to a terabyte": (
        graph(
            node("Expand", ["x", "n"], ["b"]), node("ReduceSum", ["b"], ["z"]),
            tensors={"n": int64s(2**36, 1, 4)},
        ),
        MEMORY,
    ),
    "Expand of a constant to a terabyte": (
        graph(
            node("Expand", ["w", "n"], ["b"]), node("ReduceMax", ["b", "a"], ["c"]),
            node("MatMul", ["x", "c"], ["z"]), tensors={"n": int64s(2**36, 4, 3), "a": int64s(0)},
        ),
        MEMORY,
    ),
    "Tile a million times": (
        graph(node("Tile", ["x", "n"], ["z"]), tensors={"n": int64s(1, 10**9)}), MEMORY,
    ),
    "Tile of Tile of Tile": (
        graph(
            node("Tile", ["x", "n"], ["a"]), node("Tile", ["a", "n"], ["b"]),
            node("Tile", ["b", "n"], ["z"]), tensors={"n": int64s(1, 10**4)},
        ),
        MEMORY,
    ),
    "ConstantOfShape of a terabyte": (
        graph(
            node("ConstantOfShape", ["n"], ["b"]), node("ReduceMax", ["b"], ["c"], keepdims=0),
            node("Add", ["x", "c"], ["z"]), tensors={"n": int64s(2**38)},
        ),
        MEMORY,
    ),
    "Range to 2^62": (
        graph(
            node("Range", ["a", "n", "s"], ["r"]), node("Cast", ["r"], ["f"], to=1),
            node("ReduceMax", ["f"], ["c"], keepdims=0), node("Add", ["x", "c"], ["z"]),
            tensors={"a": np.int64(0), "n": np.int64(2**62), "s": np.int64(1)},
        ),
        MEMORY,
    ),
    "Pad by 2^40": (
        graph(node("Pad", ["x", "n"], ["z"]), tensors={"n": int64s(0, 2**40, 0, 0)}), MEMORY,
    ),
    "Pad by less than there is": (
        graph(node("Pad", ["x", "n"], ["z"]), tensors={"n": int64s(0, -(2**40), 0, 0)}),
        f"{MEMORY}|features of each",
    ),
    "Resize a million times": (
        graph(
            node("Resize", ["x", "", "s"], ["z"]),
            tensors={"s": np.array([1e6, 1e6], np.float32)},
        ),
        f"{MEMORY}|features of each",
    ),
    "OneHot of 2^40": (
        graph(
            node("Cast", ["x"], ["i"], to=7), node("OneHot", ["i", "n", "v"], ["o"]),
            node("Flatten", ["o"], ["z"]),
            tensors={"n": np.int64(2**40), "v": np.array([0, 1], np.float32)},
        ),
        MEMORY,
    ),
    "EyeLike of a terabyte": (
        graph(
            node("Expand", ["x", "n"], ["b"]), node("EyeLike", ["b"], ["z"]),
            tensors={"n": int64s(10, 2**36, 4)},
        ),
        f"{MEMORY}|checker",
    ),
    "Reshape to another number": (
        graph(node("Reshape", ["x", "n"], ["z"]), tensors={"n": int64s(7, 13)}), LOADED,
    ),
    "Reshape to 2^62 x 4": (
        graph(node("Reshape", ["x", "n"], ["z"]), tensors={"n": int64s(2**62, 4)}), LOADED,
    ),
    "Gather out of range": (
        graph(
            node("Gather", ["w", "i"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(0, 1, 2, 2**40)},
        ),
        LOADED,
    ),
    "Gather far before the start": (
        graph(
            node("Gather", ["w", "i"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(-(2**62), 0, 1, 2)},
        ),
        LOADED,
    ),
    "ScatterND out of range": (
        graph(
            node("ScatterND", ["w", "i", "u"], ["g"]), node("MatMul", ["x", "g"], ["z"]),
            tensors={"i": int64s(2**40, 2).reshape(1, 2), "u": np.ones(1, np.float32)},
        ),
        LOADED,
    ),
    "Div of integers by 0": (
        graph(
            node("Cast", ["x"], ["i"], to=7), node("Div", ["i", "o"], ["d"]),
            node("Cast", ["d"], ["z"], to=1), tensors={"o": np.int64(0)},
        ),
        "crashed on it|fails when it runs it|does not load",
    ),
    "Mod by 0": (
        graph(
            node("Cast", ["x"], ["i"], to=7), node("Mod", ["i", "o"], ["d"]),
            node("Cast", ["d"], ["z"], to=1), tensors={"o": np.int64(0)},
        ),
        "crashed on it|fails when it runs it|does not load",
    ),
    "log of less than 0": (
        graph(
            node("Abs", ["x"], ["a"]), node("Neg", ["a"], ["n"]), node("Log", ["n"], ["z"]),
        ),
        "features of 10 records are not finite",
    ),
    "infinity for one record": (
        graph(
            node("Gather", ["x", "i"], ["c"], axis=1), node("Equal", ["c", "v"], ["e"]),
            node("Where", ["e", "inf", "c"], ["z"]),
            tensors={"i": int64s(0), "v": np.float32(2.5), "inf": np.float32("inf")},
        ),
        "features of 1 records are not finite",
    ),
    "one row for all records": (
        graph(node("ReduceMean", ["x", "a"], ["z"]), tensors={"a": int64s(0)}),
        "features for 10 records",
    ),
    "no row": (
        graph(
            node("Slice", ["x", "a", "a"], ["z"]), tensors={"a": int64s(0)},
        ),
        "features for 10 records",
    ),
    "a number instead of rows": (
        graph(node("ReduceSum", ["x"], ["z"], keepdims=0)), "features|does not load",
    ),
    "records in reverse, twice": (
        graph(node("Concat", ["x", "x"], ["z"], axis=0)), "features for 10 records",
    ),
    "an input of texts": (input_of(TensorProto.STRING), f"{LOADED}|checker"),
    "a tree whose child is itself": (tree(children=0), TREES),
    "a tree with a child that is not there": (tree(children=2**31), TREES),
    "a tree of negative columns": (tree(column=-(2**31)), TREES),
    "a tree of a column that is not there": (tree(column=2**31), TREES),
    "a tree with fewer values than nodes": (tree(values=1), TREES),
    "a linear classifier with fewer weights than columns": (
        ml_graph(
            node(
                "LinearClassifier", ["x"], ["l", "z"], domain="ai.onnx.ml", coefficients=[1.0],
                intercepts=[1.0] * 1000, classlabels_ints=[0, 1],
            )
        ),
        f"{LOADED}|crashed on it|features",
    ),
    "an old operator set that cannot be converted": (
        modified(lambda m: (
            setattr(m.opset_import[0], "version", 7),
            m.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "b")),
            m.graph.node.add().CopyFrom(
                node("BatchNormalization", ["z", "b", "b", "b", "b"], ["y"], spatial=0)))),
        "cannot convert the operator 'BatchNormalization' from operator set 7 to 11",
    ),
    "shapes that do not fit": (
        graph(node("MatMul", ["x", "v"], ["z"]), tensors={"v": np.ones((5, 3), np.float32)}),
        LOADED,
    ),
    "work without end": (
        graph(
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
