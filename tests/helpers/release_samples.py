"""Small complete releases of every modality, for tests of the device side."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import image_audit
from tiprdc.datasets.tokenizer import train_tokenizer

SHAPES: dict[str, tuple[int, ...]] = {
    "image": (3, 8, 8), "table": (3,), "text": (6,), "audio": (4000,)
}  # fmt: skip
TYPES = {
    "image": TensorProto.UINT8, "table": TensorProto.FLOAT, "text": TensorProto.INT32,
    "audio": TensorProto.INT16,
}  # fmt: skip
COLUMNS = [
    {"name": "age", "categories": [], "mean": 38.5, "std": 13.7},
    {"name": "job", "categories": ["Private", "State-gov"], "mean": 0.0, "std": 1.0},
    {"name": "hours", "categories": [], "mean": 40.0, "std": 12.0},
]
TEXTS = ["The river is wide", "the river is deep", "A river, the wide one"]
FEATURES = 5


def weights(modality: str) -> NDArray[np.float32]:
    """W `[numbers of a record, FEATURES]` of z = x W."""
    size = int(np.prod(SHAPES[modality]))
    return np.random.default_rng(7).normal(size=(size, FEATURES)).astype(np.float32)


def model(modality: str = "image") -> onnx.ModelProto:
    """z = x W on flattened raw records."""
    shape = SHAPES[modality]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes, "extractor",
        [helper.make_tensor_value_info("x", TYPES[modality], ["batch", *shape])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", FEATURES])],
        [numpy_helper.from_array(weights(modality), "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def overflowing() -> bytes:
    """A table's model whose features of large numbers are infinite."""
    one = model("table")
    one.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.full((3, FEATURES), 1e30, np.float32), "w")
    )
    return bytes(one.SerializeToString())


def write_release(
    folder: Path, modality: str = "image", *, data: bytes | None = None, **changes: Any
) -> Path:
    """A release in a folder: `data` in place of the model, `changes` over the manifest's keys."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extractor.onnx").write_bytes(data or model(modality).SerializeToString())
    if modality == "text":
        tokenizer = train_tokenizer(TEXTS, map(str, range(3)), vocabulary=300, length=6)
        (folder / "tokenizer.json").write_text(tokenizer)
    described = manifest({**image_audit(), "modality": modality})
    described["input"].update(shape=["batch", *SHAPES[modality]], columns=[])
    if modality == "table":
        described["input"]["columns"] = COLUMNS
    described["output"]["shape"] = ["batch", FEATURES]
    described["files"] = {
        file.name: {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "bytes": file.stat().st_size,
        }
        for file in sorted(folder.iterdir())
        if file.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps({**described, **changes}))
    return folder
