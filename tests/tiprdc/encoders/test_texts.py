"""Text encoders: one file from ids to features, and refusals that name the cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from tests.helpers.onnx_builders import base
from tests.helpers.text_encoders import INPUTS, WORDS, text_encoder
from tiprdc.datasets.schema import Schema
from tiprdc.encoders.composition import join
from tiprdc.encoders.document import EncoderDocument
from tiprdc.encoders.fitting import check_tokens, fit_encoder
from tiprdc.encoders.texts import TextAdapter
from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox.execution import Run
from tiprdc.sandbox.validator import inspect_model
from tiprdc.training.encoder_config import EncoderConfig

SCHEMA = Schema(
    dataset="texts", modality="text", shape=(9,), attributes=(), private=(), utility=(),
    vocabulary_size=len(WORDS), tokenizer_file="tokenizer.json", padding=1, people={}, records={},
)  # fmt: skip
IDS = np.array([[0, 7, 8, 2, 1, 1, 1, 1, 1], [0, 5, 1, 9, 30, 31, 32, 33, 2]], np.int32)
"""A padded text, and one that spells the padding token out."""


def fit(model: ModelProto, schema: Schema = SCHEMA, **config: Any) -> tuple[TextAdapter, Run]:
    info = inspect_model(model.SerializeToString(), "e.onnx").info
    adapter, run = fit_encoder(info, EncoderConfig(path="e.onnx", **config), schema)
    assert isinstance(adapter, TextAdapter)
    return adapter, run


def tokens(model: ModelProto, adapter: TextAdapter, x: NDArray[np.int32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(["tokens"], dict(adapter(x)))[0])


@pytest.mark.parametrize(
    ("output", "pooling"), [("tokens", "mean"), ("tokens", "cls"), ("tokens", "none"), (None, None)]
)
@pytest.mark.parametrize(
    ("names", "left"),
    [(INPUTS, False), (INPUTS[:2], True), (("attention_mask", "input_ids"), False)],
)
def test_joined_file_takes_ids_and_gives_the_heads_features(
    output: str | None, pooling: str | None, names: tuple[str, ...], *, left: bool
) -> None:
    ids, x = (
        tuple(sorted(names, key=lambda name: name != "input_ids")),
        IDS[:, ::-1] if left else IDS,
    )
    model = text_encoder(ids, dtype=TensorProto.INT32)
    by_name = {value.name: value for value in model.graph.input}
    del model.graph.input[:]
    model.graph.input.extend(by_name[name] for name in names)
    adapter, run = fit(model, replace(SCHEMA, pads_left=left), output=output, pooling=pooling)
    vectors = tokens(model, adapter, x)
    mask = np.array([[1] * 4 + [0] * 5, [1] * 9])[:, :: -1 if left else 1, None]
    expected = {
        "mean": (vectors * mask).sum(1) / mask.sum(1), "cls": vectors[:, 0],
        "none": vectors.reshape(2, -1), None: vectors[:, 0],
    }[pooling]  # fmt: skip
    head, width = base(shape=["batch", expected.shape[1]]), expected.shape[1]
    weight = np.random.default_rng(0).standard_normal((width, 3), np.float32)
    head.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    document = EncoderDocument(
        name="e.onnx", sha256="", licence="", adapter=adapter, output=run.output,
        pooling=run.pooling,
    )  # fmt: skip
    joined = join(model, document, head, (9,))
    onnx.checker.check_model(joined, full_check=True)
    inspect_model(joined.SerializeToString(), "joined")
    session = onnxruntime.InferenceSession(joined.SerializeToString())
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("x", "tensor(int32)", ["batch", 9])
    assert given.name == "z"
    (z,) = session.run(None, {"x": x})
    np.testing.assert_allclose(z, expected @ weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "changes", "config", "words"),
    [
        (
            text_encoder(), {"tokenizer_file": ""}, {},
            r"^prepare\.manifest\.tokenizer: not given(.|\n)*saved with the encoder",
        ),
        (
            text_encoder(length=7), {}, {},
            r"texts of 7 tokens, the shards have 9(.|\n)*set prepare\.manifest\.length to 7",
        ),
        (text_encoder(), {}, {"output": "tokens"}, r"^train\.encoder\.pooling: not given"),
        (
            text_encoder(INPUTS[:1]), {}, {"output": "tokens", "pooling": "mean"},
            r"^train\.encoder\.pooling: mean, and the encoder takes no attention_mask",
        ),
        (
            text_encoder(("input_ids", "attention_mask", "position_ids")), {}, {},
            r"^train\.encoder\.path: it has the inputs 'position_ids'(.|\n)*examples/export",
        ),
        (text_encoder(), {"modality": "table"}, {}, r"for table records(.|\n)*give its vectors"),
    ],
)  # fmt: skip
def test_encoders_that_do_not_fit_the_shards_are_refused_with_a_hint(
    model: ModelProto, changes: dict[str, Any], config: dict[str, Any], words: str
) -> None:
    with pytest.raises((ConfigError, ModelError), match=words):
        fit(model, replace(SCHEMA, **changes), **config)


def test_what_the_hints_advise_is_taken() -> None:
    assert fit(text_encoder(length=7), replace(SCHEMA, shape=(7,)))[1].output == "pooled"
    one = text_encoder(INPUTS[:1])
    assert fit(one, output="tokens", pooling="cls")[1].pooling == "cls"
    assert fit(text_encoder(), output="tokens", pooling="mean")[1].pooling == "mean"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"vocabulary_size": len(WORDS) + 9},
            r"last tokens, 71 and 72, and runs on the first(.|\n)*saved with it",
        ),
        ({"shape": (65,)}, r"texts of 65 tokens, and runs on those of 16(.|\n)*lower prepare\."),
        ({"shape": (65,), "vocabulary_size": len(WORDS) + 9}, "texts of 65 tokens"),
        ({"vocabulary_size": len(WORDS)}, ""),
        ({"shape": (64,)}, ""),
    ],
)
def test_a_tokenizer_or_length_that_is_not_the_encoders_is_named(
    changes: dict[str, Any], words: str
) -> None:
    schema, model = replace(SCHEMA, **changes), text_encoder()
    adapter, _ = fit(model, schema)

    def features(x: NDArray[np.int32]) -> NDArray[np.float32]:
        try:
            return tokens(model, adapter, x)
        except Exception as error:
            raise ModelError("e.onnx", "onnxruntime fails when it runs it") from error

    if not words:
        check_tokens(features, schema, "e.onnx")
        return
    with pytest.raises(ModelError, match=words) as refusal:
        check_tokens(features, schema, "e.onnx")
    assert refusal.value.hint


def test_another_failure_is_left_as_it_is() -> None:
    def features(x: NDArray[np.int32]) -> NDArray[np.float32]:
        raise ModelError("e.onnx", "it crashed")

    with pytest.raises(ModelError, match="it crashed"):
        check_tokens(features, SCHEMA, "e.onnx")
