"""Several draws of a release's noise: how a graph is divided, and what an attacker gains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.draws import DRAWS, FEWEST, draws_of
from tiprdc.attacks.suite import ATTACKS, predict_all
from tiprdc.audit.foreign.model import ForeignModel
from tiprdc.audit.noise_split import split_at_noise
from tiprdc.audit.own_model import OwnModel
from tiprdc.sandbox import runner
from tiprdc.sandbox.execution import Feed, Run

WIDTH, COLUMNS = 3, 200


def graph(*nodes: NodeProto, width: int = WIDTH) -> ModelProto:
    shape = ["batch", width]
    made = helper.make_graph(
        list(nodes),
        "noisy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
        [helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def behind_a_layer(width: int = WIDTH) -> ModelProto:
    """z = relu(x) + n / 2."""
    return graph(
        helper.make_node("Relu", ["x"], ["clean"]),
        helper.make_node("RandomNormalLike", ["clean"], ["n"]),
        helper.make_node("Mul", ["n", "half"], ["scaled"]),
        helper.make_node("Add", ["clean", "scaled"], ["z"]),
        width=width,
    )


def on_the_record() -> ModelProto:
    """z = relu(x + n)."""
    return graph(
        helper.make_node("RandomNormalLike", ["x"], ["n"]),
        helper.make_node("Add", ["x", "n"], ["noisy"]),
        helper.make_node("Relu", ["noisy"], ["z"]),
    )


def test_what_comes_before_noise_is_computed_once() -> None:
    parts = split_at_noise(behind_a_layer())
    assert parts.between == ("clean",)
    before, after = ModelProto.FromString(parts.before or b""), ModelProto.FromString(parts.after)
    assert [node.op_type for node in before.graph.node] == ["Relu"]
    assert [node.op_type for node in after.graph.node] == ["RandomNormalLike", "Mul", "Add"]


def test_noise_on_the_record_itself_leaves_nothing_before() -> None:
    parts = split_at_noise(on_the_record())
    assert (parts.before, parts.between) == (None, ("x",))


@pytest.mark.parametrize("model", [behind_a_layer(), on_the_record()], ids=["features", "record"])
def test_draws_differ_by_noise_alone_and_come_again(model: ModelProto) -> None:
    content = OwnModel(model.SerializeToString())
    x = np.full((900, WIDTH), 4.0, np.float32)
    draws = content.redraw(x, len(x))
    assert draws.shape == (DRAWS, 900, WIDTH)
    assert len(np.unique(draws)) > 0.99 * draws.size
    assert draws.mean() == pytest.approx(4.0, abs=0.05)
    np.testing.assert_array_equal(draws, content.redraw(x, len(x)))


def test_a_release_without_noise_has_one_draw() -> None:
    content = OwnModel(graph(helper.make_node("Relu", ["x"], ["z"])).SerializeToString())
    x = np.arange(12, dtype=np.float32).reshape(4, WIDTH)
    np.testing.assert_array_equal(content.redraw(x, len(x)), x[None])


def test_a_foreign_file_draws_anew_in_each_process(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(behind_a_layer().SerializeToString())
    content = ForeignModel(path, runner.validate(path), PlainAdapter(), Run(output="z"))
    draws = content.redraw(np.full((40, WIDTH), 4.0, np.float32), 40)
    assert draws.shape == (DRAWS, 40, WIDTH)
    # Two of so many single numbers may well be equal, but no two rows.
    assert len(np.unique(draws.reshape(-1, WIDTH), axis=0)) == DRAWS * 40


class PlainAdapter:
    """Records are the input x as they are."""

    def __call__(self, x: NDArray[Any]) -> Feed:
        return {"x": x}

    def notes(self) -> Iterator[str]:
        return iter(())


def test_memory_bounds_the_draws() -> None:
    assert draws_of(1000, 64) == DRAWS
    assert draws_of(10**6, 4096) == FEWEST
    assert FEWEST < draws_of(300_000, 256) < DRAWS


def planted(people: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Records that differ by u alone, by far less than the noise in each of many columns."""
    u = np.random.default_rng(seed).integers(0, 2, people)
    return np.tile(1 + 0.04 * u[:, None], (1, COLUMNS)).astype(np.float32), u


def test_an_attacker_gains_by_several_draws() -> None:
    content = OwnModel(behind_a_layer(COLUMNS).SerializeToString())
    (x, u), (x_test, u_test) = planted(400, 0), planted(4000, 1)
    draws = content.redraw(x, len(x))

    def recognised(further: NDArray[np.float32] | None) -> float:
        data = TrainingSet(z=draws[0], labels={"u": u}, classes={"u": 2}, x=None, draws=further)
        attackers = ATTACKS["residual"].fit_targets(data, ("u",), 0, 1)
        predicted = predict_all("residual", attackers, content.features(x_test))["u"]
        return float(np.mean(predicted == u_test))

    assert recognised(draws[1:]) > recognised(None) + 0.03
