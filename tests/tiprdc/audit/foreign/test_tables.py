"""Tables are given to a foreign model as a matrix, or one input a column by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.helpers.onnx_builders import node
from tests.helpers.release_samples import write_release
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.foreign.inputs import load_evidence
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.errors import ConfigError, DataError, ModelError

PEOPLE = 200
ML = "ai.onnx.ml"
F, LONG, S = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


@pytest.fixture
def request_(tmp_path: Path) -> AuditRequest:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "sex": rng.integers(2, size=PEOPLE), "unused": "x",
        "city": rng.choice(["Rome", "Oslo"], PEOPLE),
        "job title": rng.choice(["clerk", "01", "nurse"], PEOPLE),
        "age": rng.integers(20, 60, PEOPLE), "income": rng.normal(30, 1, PEOPLE).round(3),
    })  # fmt: skip
    table.to_csv(tmp_path / "people.csv", index=False)
    return AuditRequest(
        models=(tmp_path / "model.onnx",), data=tmp_path / "people.csv", private=("sex",)
    )


def write(
    path: Path, nodes: list[NodeProto], inputs: dict[str, tuple[int, list[Any]]], *outputs: Any,
    opset: int = 18,
) -> None:  # fmt: skip
    graph = helper.make_graph(
        nodes, "pipeline",
        [helper.make_tensor_value_info(n, kind, ["n", *s]) for n, (kind, s) in inputs.items()],
        list(outputs) or [helper.make_tensor_value_info("z", F, ["n", None])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8)
                     .SerializeToString())  # fmt: skip


def write_pipeline(path: Path, *outputs: Any) -> None:
    """As skl2onnx writes it: one-hot texts, an integer, a scaled number, a linear classifier."""
    nodes = [
        node("OneHotEncoder", ["job_title"], ["o"], domain=ML, zeros=1,
             cats_strings=["01", "nurse"]),
        node("Flatten", ["o"], ["j"]),
        node("Scaler", ["income"], ["i"], domain=ML, offset=[30.0], scale=[2.0]),
        node("Cast", ["age"], ["a"], to=F),
        node("Concat", ["j", "a", "i"], ["x"], axis=1),
        node("LinearClassifier", ["x"], ["label", "p"], domain=ML,
             coefficients=[0.0] * 4 + [1.0, 2.0, 0.01, 1.0], intercepts=[0.0, 0.0],
             classlabels_strings=["no", "yes"], post_transform="NONE"),
        node("ZipMap", ["p"], ["z"], domain=ML, classlabels_strings=["no", "yes"]),
    ]  # fmt: skip
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(S, helper.make_tensor_type_proto(F, []))
    )
    write(
        path, nodes, {"income": (F, [1]), "job_title": (S, [1]), "age": (LONG, [1])},
        helper.make_tensor_value_info("label", S, ["n"]), helper.make_value_info("z", maps),
    )  # fmt: skip


def load(request: AuditRequest, **changes: Any) -> Evidence:
    (evidence,) = load_evidence(replace(request, **changes))
    return evidence


def test_each_input_gets_the_column_of_its_name(request_: AuditRequest) -> None:
    write_pipeline(request_.models[0])
    evidence = load(request_)
    assert [column.name for column in evidence.schema.columns] == ["income", "job title", "age"]
    x = evidence.test.x
    jobs = np.array(evidence.schema.columns[1].categories)[x[:, 1].astype(int)]
    expected = (jobs == "01") + 2 * (jobs == "nurse") + 0.01 * x[:, 2] + 2 * (x[:, 0] - 30)
    z = evidence.models["released"].features(x)
    np.testing.assert_allclose(z[:, 1], expected, rtol=1e-4, atol=1e-4)
    evidence.models["released"].check_batches(x)
    notes = "\n".join(evidence.schema.notes)
    assert "the output 'z'" in notes
    assert "ZipMap" in notes


def test_texts_cannot_be_the_features(request_: AuditRequest) -> None:
    write_pipeline(request_.models[0])
    with pytest.raises(ModelError, match="the output 'label' holds texts"):
        load(request_, output="label")


def test_columns_that_the_model_does_not_name_are_refused(request_: AuditRequest) -> None:
    write_pipeline(request_.models[0])
    with pytest.raises(DataError, match="no column for the inputs 'job_title', 'age'"):
        load(request_, x=("income", "unused"))
    data = pd.read_csv(request_.data).rename(columns={"age": "years"})
    data.to_csv(request_.data, index=False)
    with pytest.raises(DataError, match="no column for the inputs 'age'"):
        load(request_)


def test_input_of_several_columns_beside_others_is_refused(request_: AuditRequest) -> None:
    write(request_.models[0], [node("Concat", ["a", "age"], ["z"], axis=1)],
          {"a": (F, [2]), "age": (F, [1])})  # fmt: skip
    with pytest.raises(ModelError, match="the input 'a' takes"):
        load(request_)


def test_text_where_the_model_takes_numbers_is_refused(request_: AuditRequest) -> None:
    write(request_.models[0], [node("Concat", ["city", "age"], ["z"], axis=1)],
          {"city": (F, [1]), "age": (F, [1])})  # fmt: skip
    with pytest.raises(DataError, match="column 'city' contains text"):
        load(request_)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(TensorProto.FLOAT16, 70_000.5), (LONG, 0.5), (LONG, 2**40), (TensorProto.UINT8, 300),
     (TensorProto.INT32, 2**33)],
)  # fmt: skip
@pytest.mark.parametrize("matrix", [True, False])
def test_numbers_that_the_type_does_not_hold_are_refused_by_column(
    request_: AuditRequest, kind: int, value: float, matrix: bool
) -> None:
    inputs = {"x": (kind, [2])} if matrix else {"age": (kind, [1]), "income": (kind, [1])}
    nodes = [node("Cast", [name], [f"f{n}"], to=F) for n, name in enumerate(inputs)]
    nodes.append(node("Concat", [n.output[0] for n in nodes], ["z"], axis=1))
    write(request_.models[0], nodes, inputs)
    data = pd.read_csv(request_.data)
    data["income"] = 7.0
    data.to_csv(request_.data, index=False)
    columns = {"x": ("age", "income"), "modality": "table"}
    load(request_, **columns)
    data.loc[31, "income"] = value
    data.to_csv(request_.data, index=False)
    with pytest.raises(DataError, match="column 'income' holds 1 numbers that are no") as refused:
        load(request_, **columns)
    assert str(value).rstrip("0").rstrip(".") not in str(refused.value)


@pytest.mark.parametrize("opset", [7, 8, 9, 10])
def test_old_operator_sets_are_converted_and_it_is_said(request_: AuditRequest, opset: int) -> None:
    nodes = [
        node("Slice", ["x"], ["s"], axes=[1], starts=[0], ends=[1])
        if opset < 10
        else node("Identity", ["x"], ["s"]),
        node("Dropout", ["s"], ["d"]) if opset < 10 else node("Identity", ["s"], ["d"]),
        node("Clip", ["d"], ["z"], min=25.0, max=50.0),
    ]
    write(request_.models[0], nodes, {"x": (F, [2])}, opset=opset)
    evidence = load(request_, x=("age", "income"))
    x = evidence.train.x
    z = evidence.models["released"].features(x)
    np.testing.assert_array_equal(z, np.clip(x[:, : z.shape[1]], 25, 50))
    assert any(f"operator set {opset}. onnx converted it" in n for n in evidence.schema.notes)


def test_several_vectors_need_a_choice(request_: AuditRequest) -> None:
    outputs = [helper.make_tensor_value_info(name, F, ["n", 2]) for name in ("a", "b")]
    nodes = [node("Neg", ["x"], ["a"]), node("Abs", ["x"], ["b"])]
    write(request_.models[0], nodes, {"x": (F, [2])}, *outputs)
    with pytest.raises(ConfigError, match="--output: not given, and the model has 2 outputs"):
        load(request_, x=("age", "income"))
    evidence = load(request_, x=("age", "income"), output="a")
    assert (evidence.models["released"].features(evidence.train.x) < 0).all()


def test_what_replaces_missing_values_is_said(request_: AuditRequest) -> None:
    write_pipeline(request_.models[0])
    data = pd.read_csv(request_.data)
    data.loc[[3, 4], "income"] = None
    data.loc[5, "job title"] = None
    data.to_csv(request_.data, index=False)
    notes = load(request_).schema.notes
    assert "2 missing values of income were given to the model as the column's mean." in notes
    assert "1 missing values of job title were given to the model as an empty text." in notes


def test_column_of_the_release_that_x_leaves_out_is_named(request_: AuditRequest) -> None:
    release = write_release(request_.data.parent / "release", "table")
    asked = replace(request_, models=(release / "extractor.onnx",), x=("age",))
    with pytest.raises(DataError, match="--x: the input has no column 'job'"):
        load_evidence(asked)
