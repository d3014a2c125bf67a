"""An untrusted file is run within its limits, or refused with a message."""

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
from tiprdc.sandbox.execution import Run
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


def npy_bytes(array: Any, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear().SerializeToString())
    return path


def test_validate_describes_the_file(model: Path) -> None:
    info = runner.validate(model)
    (x,), (z,) = info.inputs, info.outputs
    assert (x.name, x.dtype, x.batch, x.shape) == ("x", "float32", None, (4,))
    assert (z.name, z.dtype, z.batch, z.shape) == ("z", "float32", None, (3,))
    assert (info.batch, info.opset, info.nodes, info.parameters) == (None, 20, 2, 12)
    assert (info.opset_run, info.is_random, info.seeded) == (20, False, False)
    assert info.operators == ("Cast", "MatMul")
    assert info.size == model.stat().st_size


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_features_equal_those_of_onnxruntime(model: Path, batch: int) -> None:
    z = runner.run(model, X, Run(batch=batch))
    np.testing.assert_allclose(z, open_session(model).run(None, {"x": X})[0], rtol=1e-6)


def test_fixed_batch_size_is_padded(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear(batch=4).SerializeToString())
    assert runner.validate(path).batch == 4
    np.testing.assert_allclose(runner.run(path, X), X @ np.arange(12).reshape(4, 3), rtol=1e-5)


def test_records_of_another_shape_or_type_are_refused(model: Path, tmp_path: Path) -> None:
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


def test_file_above_the_size_limit_is_not_read(model: Path) -> None:
    with pytest.raises(ModelError, match="at most 10 bytes"):
        runner.validate(model, limits=Limits(file=10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"PK\x03\x04 and no more", "cut short"),
        (npy_bytes(X)[:-4], "cut short"),
        (npy_bytes(np.array(["a"] * 10, dtype=object), allow_pickle=True), "cut short"),
        (npy_bytes(np.float32(1)), "other features"),
        (npy_bytes(X.astype(np.float64)), "other features"),
        (npy_bytes(X[:9]), "other features"),
        (npy_bytes(np.full((10, 4), np.nan, np.float32)), "not finite"),
    ],
)
def test_invalid_feature_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The worker runs an untrusted file, so its output is not trusted."""
    path = tmp_path / "z.npy"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        runner._read_features(path, len(X), "model.onnx")
