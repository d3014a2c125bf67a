"""A file from a stranger is read and run, or refused in words; it opens and costs nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.runtime.session import open_session
from tiprdc.sandbox import runner
from tiprdc.sandbox.runner import Limits

X = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)


def linear(batch: int | str = "batch", dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """z = x W, three features of four numbers."""
    weight = np.arange(12, dtype=np.float32).reshape(4, 3)
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", dtype, [batch, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def saved(array: Any, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear().SerializeToString())
    return path


def test_its_facts_are_those_of_the_file(model: Path) -> None:
    facts = runner.validate(model)
    assert (facts.input_name, facts.input_dtype, facts.input_shape) == ("x", "float32", (4,))
    assert (facts.output_name, facts.output_dtype, facts.output_shape) == ("z", "float32", (3,))
    assert (facts.batch, facts.opset, facts.nodes, facts.parameters) == (None, 20, 2, 12)
    assert facts.operators == ("Cast", "MatMul")
    assert facts.size == model.stat().st_size


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_its_features_are_those_that_onnxruntime_gives_here(model: Path, batch: int) -> None:
    z = runner.run(model, X, batch=batch)
    np.testing.assert_allclose(z, open_session(model).run(None, {"x": X})[0], rtol=1e-6)


def test_a_model_of_whole_batches_gets_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear(batch=4).SerializeToString())
    assert runner.validate(path).batch == 4
    np.testing.assert_allclose(runner.run(path, X), X @ np.arange(12).reshape(4, 3), rtol=1e-5)


def test_records_that_do_not_fit_are_refused_before_anything_runs(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"records of 5\n  expected: what the model takes, 4"):
        runner.run(model, np.zeros((2, 5), np.float32))
    with pytest.raises(DataError, match="records of type float64"):
        runner.run(model, X.astype(np.float64))
    with pytest.raises(DataError, match="no records"):
        runner.run(model, X[:0])
    tokens = tmp_path / "tokens.onnx"
    tokens.write_bytes(linear(dtype=TensorProto.INT64).SerializeToString())
    assert runner.run(tokens, np.ones((2, 4), np.int32)).shape == (2, 3)


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"Limits\.seconds: 0\n  expected: 1 to"):
        Limits(seconds=0)


def test_a_file_of_more_than_the_limit_is_not_read(model: Path) -> None:
    with pytest.raises(ModelError, match="at most 10 bytes"):
        runner.validate(model, limits=Limits(file=10))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short"),
        (b"PK\x03\x04 and no more", "cut short"),
        (saved(X)[:-4], "cut short"),
        (saved(np.array(["a"] * 10, dtype=object), allow_pickle=True), "cut short"),
        (saved(np.float32(1)), "other features"),
        (saved(X.astype(np.float64)), "other features"),
        (saved(X[:9]), "other features"),
        (saved(np.full((10, 4), np.nan, np.float32)), "not finite"),
    ],
)
def test_features_that_are_no_row_for_each_record_are_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """The process that writes them runs a stranger's file: what it leaves is not trusted."""
    path = tmp_path / "z.npy"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        runner._features(path, len(X), "model.onnx")
