"""ONNX files with a known leak, and CSV manifests to audit them on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tiprdc.datasets.schema import Schema


def write_model(path: Path, schema: Schema, weights: np.ndarray, *ops: str) -> str:
    """z = ops(flatten(x) @ weights), as an ONNX file; returns its sha256."""
    kind = {"image": TensorProto.UINT8, "table": TensorProto.FLOAT, "text": TensorProto.INT32}
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["c0"]),
        *(helper.make_node(op, [f"c{n}"], [f"c{n + 1}"]) for n, op in enumerate(ops)),
        helper.make_node("Identity", [f"c{len(ops)}"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("x", kind[schema.modality], ["batch", *schema.shape])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    return _save(path, graph)


def write_columns_model(
    path: Path, weights: np.ndarray, *, name: str = "columns", dtype: int = TensorProto.FLOAT
) -> str:
    """A foreign model: z = columns @ weights, with names of its own; returns its sha256."""
    nodes = [
        helper.make_node("Cast", [name], ["a"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["a", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "strange",
        [helper.make_tensor_value_info(name, dtype, ["n", weights.shape[0]])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    return _save(path, graph)


def _save(path: Path, graph: onnx.GraphProto) -> str:
    """Write a valid model; returns its sha256."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_table(path: Path, people: int = 1200, records: int = 1) -> Path:
    """A CSV: column `level` shows `gender`, `kind` shows `task`, and `noise` shows nothing."""
    rng = np.random.default_rng(0)
    gender, task = rng.integers(2, size=people), rng.integers(2, size=people)
    rows = ["who,gender,task,level,kind,noise"]
    for person in range(people):
        for _ in range(records):
            level, noise = gender[person] + 0.1 * rng.normal(), rng.normal()
            kind = task[person] + 0.1 * rng.normal()
            sex = ("female", "male")[gender[person]]
            rows.append(f"p{person},{sex},{task[person]},{level:.4f},{kind:.4f},{noise:.4f}")
    path.write_text("\n".join(rows) + "\n")
    return path
