"""Text encoders as exporters write them: ids, mask and types in, several outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.helpers.onnx_builders import int64s, node
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.foreign.inputs import load_evidence
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.encoders.texts import Padding
from tiprdc.errors import ConfigError, DataError, ModelError

WORDS = ("<s>", "<pad>", "</s>", *(f"w{n}" for n in range(30)))
"""Padding is not token 0, as in RoBERTa's vocabulary."""
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)


@pytest.fixture
def request_(tmp_path: Path) -> AuditRequest:
    """Encoder with `tokens` (an embedding of each id) and `pooled` (that of the first token)."""
    write_encoder(tmp_path / "model.onnx")
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rng = np.random.default_rng(0)
    sex = rng.integers(2, size=200)
    texts = [" ".join(f"w{rng.integers(30)}" for _ in range(rng.integers(1, 9))) for _ in sex]
    pd.DataFrame({"text": texts, "sex": sex}).to_csv(tmp_path / "texts.csv", index=False)
    return AuditRequest(
        models=(tmp_path / "model.onnx",), data=tmp_path / "texts.csv", private=("sex",)
    )


def write_encoder(
    path: Path,
    *,
    length: int | str = "tokens",
    names: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
) -> None:
    nodes = [
        node("Gather", ["table", names[0]], ["e"]),
        # The other inputs must be taken, and change nothing: types are 0, a mask of 0 is padding.
        *(
            node(*operation)
            for operation in (
                ("Cast", [names[-1]], ["t"]), ("Unsqueeze", ["t", "two"], ["u"]),
                ("Mul", ["u", "nothing"], ["v"]), ("Add", ["e", "v"], ["tokens"]),
                ("Gather", ["tokens", "zero"], ["pooled"]),
            )
        ),
    ]  # fmt: skip
    nodes[1].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    nodes[-1].attribute.append(helper.make_attribute("axis", 1))
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", length]) for n in names],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["batch", length, 5]),
         helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(TABLE, "table"), numpy_helper.from_array(int64s(2), "two"),
         numpy_helper.from_array(np.float32(0), "nothing"),
         numpy_helper.from_array(np.int64(0), "zero")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def load(request: AuditRequest, **changes: object) -> Evidence:
    (evidence,) = load_evidence(replace(request, **changes))  # type: ignore[arg-type]
    return evidence


def test_only_vector_of_several_outputs_is_audited_and_named(request_: AuditRequest) -> None:
    evidence = load(request_, length=12)
    z = evidence.models["released"].features(evidence.train.x)
    np.testing.assert_allclose(z, np.broadcast_to(TABLE[0], z.shape), rtol=1e-6)
    assert any("the output 'pooled'" in note for note in evidence.schema.notes)


def test_mean_leaves_padding_out(request_: AuditRequest) -> None:
    evidence = load(request_, length=12, output="tokens", pooling="mean")
    x = evidence.train.x
    assert (x == 1).any(axis=1).all(), "every text is padded"
    expected = [TABLE[ids[ids != 1]].mean(0) for ids in x]
    z = evidence.models["released"].features(x)
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-5)
    longer = load(request_, length=20, output="tokens", pooling="mean")
    again = longer.models["released"].features(longer.train.x)
    np.testing.assert_allclose(z, again, rtol=1e-4, atol=1e-5)


def test_all_tokens_are_audited_where_all_are_sent(request_: AuditRequest) -> None:
    evidence = load(request_, length=12, output="tokens", pooling="none")
    assert evidence.models["released"].features(evidence.train.x[:3]).shape == (3, 60)


REFUSED = [
    ({}, DataError, "give the number of tokens of a text, e.g. --length 128"),
    ({"length": 12, "output": "tokens"}, ConfigError, "--pooling: not given"),
    ({"length": 12, "output": "token"}, ConfigError, "did you mean 'tokens'"),
    ({"length": 12, "pooling": "max"}, ConfigError, "one of mean, cls, none"),
    ({"length": 12, "pooling": "cls"}, ConfigError, "leave --pooling out"),
]


@pytest.mark.parametrize(("changes", "kind", "words"), REFUSED)
def test_what_must_be_stated_is_asked_for(
    request_: AuditRequest, changes: dict[str, object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        load(request_, **changes)


def test_length_of_the_model_counts(request_: AuditRequest) -> None:
    write_encoder(request_.models[0], length=7)
    assert load(request_).schema.shape == (7,)
    with pytest.raises(ConfigError, match="--length: 9\n  expected: the model's, 7"):
        load(request_, length=9)


def test_mask_alone_is_enough_and_other_inputs_are_refused(request_: AuditRequest) -> None:
    write_encoder(request_.models[0], names=("input_ids", "attention_mask"))
    assert load(request_, length=12).schema.modality == "text"
    write_encoder(request_.models[0], names=("input_ids", "position_ids"))
    with pytest.raises(ModelError, match="the inputs 'position_ids'"):
        load(request_, length=12)


@pytest.mark.parametrize(
    ("left", "ids", "expected"),
    [(False, [5, 1, 6, 1, 1], [1, 1, 1, 0, 0]), (True, [1, 1, 5, 1, 6], [0, 0, 1, 1, 1]),
     (False, [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]), (True, [5, 1, 1, 1, 1], [1, 1, 1, 1, 1])],
)  # fmt: skip
def test_padding_inside_a_text_is_a_token(left: bool, ids: list[int], expected: list[int]) -> None:
    assert Padding(1, left).mask(np.array([ids])).tolist() == [expected]
