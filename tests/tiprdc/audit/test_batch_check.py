"""A model whose features of a record depend on the rest of the batch is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.helpers.onnx_builders import int64s, node
from tiprdc.audit.batch_check import sample_rows
from tiprdc.audit.foreign.model import ForeignModel
from tiprdc.audit.foreign.tables import TableAdapter
from tiprdc.audit.own_model import OwnModel
from tiprdc.datasets.schema import Column
from tiprdc.errors import ModelError
from tiprdc.sandbox import runner
from tiprdc.sandbox.execution import Run

X = np.random.default_rng(0).normal(3, 1, size=(32, 4)).astype(np.float32)
Nodes = tuple[list[NodeProto], dict[str, Any]]


def content(
    nodes: list[NodeProto], tensors: Mapping[str, Any], batch: int | str = "batch"
) -> bytes:
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, None])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def foreign(path: Path, data: bytes) -> ForeignModel:
    path.write_bytes(data)
    columns = tuple(Column(name=name) for name in "abcd")
    return ForeignModel(
        path, runner.validate(path), TableAdapter(columns=columns, matrix=("x", "float32")),
        Run(output="z"),
    )  # fmt: skip


ZERO, HALF = {"a": int64s(0)}, np.float32(0.5)
ONES = [node("Sub", ["x", "x"], ["d"]), node("Exp", ["d"], ["o"])]
DEPENDENT: dict[str, Nodes] = {
    "mean of the batch": (
        [node("ReduceMean", ["x", "a"], ["m"]), node("Sub", ["x", "m"], ["z"])], ZERO,
    ),
    "scaled by the largest of the batch": (
        [node("ReduceMax", ["x", "a"], ["m"]), node("Div", ["x", "m"], ["z"])], ZERO,
    ),
    "levels of the batch's range": (
        [node("DynamicQuantizeLinear", ["x"], ["q", "s", "p"]),
         node("DequantizeLinear", ["q", "s", "p"], ["z"])], {},
    ),
    "the first record in a column of all": (
        [node("Gather", ["x", "a"], ["f"], axis=0), node("Shape", ["x"], ["n"]),
         node("Expand", ["f", "n"], ["e"]), node("Concat", ["x", "e"], ["z"], axis=1)], ZERO,
    ),
    "the number of a record in its batch": (
        [*ONES, node("CumSum", ["o", "i"], ["c"]), node("Add", ["x", "c"], ["z"])],
        {"i": np.int64(0)},
    ),
    "the mean, in batches of more than 32 alone": (
        [node("ReduceMean", ["x", "a"], ["m"]), node("Shape", ["x"], ["s"]),
         node("Gather", ["s", "i"], ["n"]), node("Greater", ["n", "l"], ["c"]),
         node("Where", ["c", "m", "x"], ["y"]), node("Add", ["y", "x"], ["z"])],
        {**ZERO, "i": np.int64(0), "l": np.int64(32)},
    ),
    "noise as strong as the batch": (
        [node("ReduceMean", ["x", "a"], ["m"]), node("RandomNormalLike", ["x"], ["n"], scale=0.3),
         node("Mul", ["n", "m"], ["z"])], ZERO,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEPENDENT)
def test_features_that_depend_on_neighbours_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"they differ by up to [\d.e-]+ \(feature \d") as refused:
        OwnModel(content(*DEPENDENT[name])).check_batches(X)
    assert "static quantisation" in refused.value.hint


def test_foreign_file_that_depends_on_neighbours_is_refused(tmp_path: Path) -> None:
    model = foreign(tmp_path / "m.onnx", content(*DEPENDENT["mean of the batch"]))
    with pytest.raises(ModelError, match="depend on the other records of its batch"):
        model.check_batches(X)


INDEPENDENT: dict[str, Nodes] = {
    "a product": ([node("MatMul", ["x", "w"], ["z"])], {"w": np.ones((4, 300), np.float32)}),
    "far from zero": ([node("Add", ["x", "c"], ["z"])], {"c": np.float32(5000)}),
    "half precision": (
        [node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16), node("MatMul", ["h", "w"], ["y"]),
         node("Cast", ["y"], ["z"], to=TensorProto.FLOAT)],
        {"w": np.random.default_rng(1).normal(size=(4, 64)).astype(np.float16)},
    ),
    "levels": ([node("Mul", ["x", "h"], ["m"]), node("Round", ["m"], ["z"])], {"h": HALF}),
    "noise": (
        [node("RandomNormalLike", ["x"], ["n"], scale=9.0), node("Add", ["x", "n"], ["z"])], {},
    ),
    "noise, then levels": (
        [node("RandomUniformLike", ["x"], ["n"], low=-1.0), node("Add", ["x", "n"], ["m"]),
         node("Round", ["m"], ["z"])], {},
    ),
    "a random bit": (
        [node("RandomUniformLike", ["x"], ["n"]), node("Less", ["n", "h"], ["b"]),
         node("Cast", ["b"], ["z"], to=TensorProto.FLOAT)], {"h": HALF},
    ),
    "dropout as noise": (
        [node("Dropout", ["x", "h", "t"], ["z"])], {"h": HALF, "t": np.array(True)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEPENDENT)
def test_features_of_each_record_alone_are_accepted(name: str) -> None:
    OwnModel(content(*INDEPENDENT[name])).check_batches(X)


def test_noise_of_a_foreign_file_is_accepted(tmp_path: Path) -> None:
    foreign(tmp_path / "m.onnx", content(*INDEPENDENT["noise"])).check_batches(X)


SHARED: dict[str, Nodes] = {
    "one draw a batch": (
        [node("RandomNormal", [], ["n"], shape=[1, 4]), node("Add", ["x", "n"], ["z"])], {},
    ),
    "one number a batch": (
        [node("RandomUniform", [], ["n"], shape=[1]), node("Mul", ["x", "n"], ["z"])], {},
    ),
    "in one column": (
        [node("RandomNormalLike", ["x"], ["n"]), node("Add", ["x", "n"], ["y"]),
         node("RandomNormal", [], ["s"], shape=[1, 4]), node("Mul", ["s", "e"], ["t"]),
         node("Mul", ["y", "o"], ["u"]), node("Add", ["u", "t"], ["z"])],
        {"e": np.array([1, 0, 0, 0], np.float32), "o": np.array([0, 1, 1, 1], np.float32)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_noise_that_a_batch_shares_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="the records of a batch share noise"):
        OwnModel(content(*SHARED[name])).check_batches(X)


def test_noise_of_a_known_seed_is_refused() -> None:
    nodes = [node("RandomNormalLike", ["x"], ["n"], seed=7.0), node("Add", ["x", "n"], ["z"])]
    with pytest.raises(ModelError, match="fixes the seed"):
        OwnModel(content(nodes, {})).check_batches(X)


@pytest.mark.parametrize("batch", [1, 4])
def test_fixed_batch_size_is_checked_and_said(tmp_path: Path, batch: int) -> None:
    model = foreign(tmp_path / "m.onnx", content(*INDEPENDENT["levels"], batch=batch))
    model.check_batches(X)
    assert any(f"exactly {batch} records at a time" in note for note in model.notes())


def test_fixed_batch_whose_records_depend_on_each_other_is_refused(tmp_path: Path) -> None:
    data = content(*DEPENDENT["the first record in a column of all"], batch=4)
    with pytest.raises(ModelError, match="depend on the other records of its batch"):
        foreign(tmp_path / "m.onnx", data).check_batches(X)


@pytest.mark.parametrize("count", [1, 5, 32, 1000])
def test_sample_is_spread_over_all_records(count: int) -> None:
    rows = sample_rows(count)
    assert len(rows) == min(count, 32)
    assert (rows[0], rows[-1]) == (0, count - 1)
