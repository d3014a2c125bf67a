"""A small text encoder as an ONNX file, its tokenizer, and texts of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("<s>", "<pad>", "</s>", "<unk>", *(f"w{n}" for n in range(60)))
"""Padding is not token 0, as in RoBERTa's vocabulary."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
WIDTH = 12
node = helper.make_node


def write_tokenizer(path: Path, words: tuple[str, ...] = WORDS) -> Path:
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(path))
    return path


def text_encoder(
    names: tuple[str, ...] = INPUTS,
    *,
    length: int | str = "tokens",
    dtype: int = TensorProto.INT64,
    positions: int = 64,
) -> ModelProto:
    """`tokens` `[B, T, WIDTH]`: each token beside the mean of all that the mask shows.

    `pooled` `[B, WIDTH]` is the first token's. Other inputs than the ids are added as numbers.
    """
    rng = np.random.default_rng(0)
    draw = {"table": (len(WORDS), WIDTH), "w": (WIDTH, WIDTH), "places": (positions, WIDTH)}
    tensors = {name: rng.standard_normal(shape, np.float32) for name, shape in draw.items()}
    tensors |= {
        "two": np.array([2]), "axis": np.array([1]), "zero": np.array(0), "one": np.array(1),
        "shape_at": np.array(1),
    }  # fmt: skip
    nodes = [
        node("Gather", ["table", names[0]], ["words"]),
        node("Shape", [names[0]], ["sizes"]),
        node("Gather", ["sizes", "shape_at"], ["count"]),
        node("Range", ["zero", "count", "one"], ["numbers"]),
        node("Gather", ["places", "numbers"], ["at"]),
        node("Add", ["words", "at"], ["e0"]),
    ]
    for number, name in enumerate(names[1:]):
        operator = "Mul" if name == "attention_mask" else "Add"
        nodes += [
            node("Cast", [name], [f"c{number}"], to=TensorProto.FLOAT),
            node("Unsqueeze", [f"c{number}", "two"], [f"u{number}"]),
            node(operator, [f"e{number}", f"u{number}"], [f"e{number + 1}"]),
        ]
    last = f"e{len(names) - 1}"
    nodes += [
        node("ReduceMean", [last, "axis"], ["context"], keepdims=1),
        node("MatMul", [last, "w"], ["own"]),
        node("Add", ["own", "context"], ["sum"]),
        node("Tanh", ["sum"], ["tokens"]),
        node("Gather", ["tokens", "zero"], ["pooled"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info(name, dtype, ["batch", length]) for name in names],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["batch", length, WIDTH]),
         helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def write_texts(folder: Path, people: int = 120) -> Path:
    """`texts.csv`: words of the lower half tell `gender`, the length tells `task`."""
    rng = np.random.default_rng(0)
    gender, task = rng.integers(2, size=(2, people))
    texts = [
        " ".join(
            f"w{rng.integers(30) + 30 * (rng.random() < 0.3 + 0.4 * g)}" for _ in range(3 + 4 * t)
        )
        for g, t in zip(gender, task, strict=True)
    ]
    table = {"text": texts, "gender": np.array(["f", "m"])[gender], "task": task}
    pd.DataFrame(table).to_csv(folder / "texts.csv", index=False)
    return folder / "texts.csv"


def write_files(folder: Path, model: ModelProto | None = None) -> Path:
    """`encoder.onnx` and `tokenizer.json`."""
    onnx.save(model or text_encoder(), folder / "encoder.onnx")
    write_tokenizer(folder / "tokenizer.json")
    return folder / "encoder.onnx"
