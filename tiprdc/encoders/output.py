"""Which output of a model of others holds the features that are sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args

from tiprdc.datasets.schema import Modality
from tiprdc.encoders.options import ModelOptions
from tiprdc.errors import ConfigError, ModelError, suggestion
from tiprdc.sandbox.execution import Pooling, Run
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import TEXT, ModelInfo, TensorInfo


def choose_output(model: ModelInfo, options: ModelOptions, modality: Modality) -> Run:
    """How to run a model: which output, and what becomes of an output for each token.

    Several outputs need `--output`, unless one alone has one vector a record.

    Raises:
        ConfigError: `--output` or `--pooling` is missing, unknown or does not match the model.
        ModelError: The output holds texts.
    """
    tensor = _output(model, options.output)
    if tensor.dtype == TEXT:
        raise ModelError(
            "--output", f"the output {quote(tensor.name)} holds texts", "an output of numbers"
        )
    pooling = options.pooling
    if pooling not in (None, *get_args(Pooling)):
        raise ConfigError("--pooling", pooling, f"one of {', '.join(get_args(Pooling))}")
    by_token = modality == "text" and tensor.shape is not None and len(tensor.shape) == 2
    if by_token and pooling is None:
        raise ConfigError(
            "--pooling", f"not given, and {quote(tensor.name)} has a vector for each token",
            f"one of {', '.join(get_args(Pooling))}",
            "give what is sent: mean over the tokens, that of the first token, or all (none)",
        )  # fmt: skip
    if pooling in ("mean", "cls") and tensor.shape is not None and not by_token:
        raise ConfigError(
            "--pooling", f"{pooling}, and {quote(tensor.name)} is {_shape(tensor)}",
            "an output of texts: batch x tokens x width", "leave --pooling out",
        )  # fmt: skip
    return Run(output=tensor.name, pooling=cast(Pooling, pooling or "none"))


def output_notes(model: ModelInfo, run: Run) -> Iterator[str]:
    """What was chosen, converted or padded."""
    others = [quote(tensor.name) for tensor in model.outputs if tensor.name != run.output]
    if others:
        shown = ", ".join(others[:5])
        yield (
            f"Features are the output {quote(run.output)}. Other outputs were not audited: {shown}."
        )
    if run.pooling != "none":
        what = "the mean over the tokens" if run.pooling == "mean" else "those of the first token"
        yield f"Of the features of each token, {what} were taken."
    if "ZipMap" in model.operators:
        yield "Maps from class to probability (ZipMap) were read as probabilities in that order."
    if model.opset != model.opset_run:
        yield (
            f"The file is of operator set {model.opset}. onnx converted it to operator set"
            f" {model.opset_run}, and the converted graph was attacked."
        )
    if model.batch is not None:
        yield (
            f"The file takes exactly {model.batch:,} records at a time. They were given in such"
            " batches; the last one was filled with copies of a record."
        )


def _output(model: ModelInfo, name: str | None) -> TensorInfo:
    names = {tensor.name: tensor for tensor in model.outputs}
    listed = ", ".join(f"{quote(t.name)} ({_shape(t)})" for t in model.outputs[:20])
    if name is not None:
        if name not in names:
            raise ConfigError("--output", name, f"one of {listed}", suggestion(name, names))
        return names[name]
    if len(names) == 1:
        return model.outputs[0]
    vectors = [
        t for t in model.outputs if t.dtype != TEXT and t.shape is not None and len(t.shape) == 1
    ]  # fmt: skip
    if len(vectors) != 1:
        first = next((t.name for t in model.outputs if t.dtype != TEXT), model.outputs[0].name)
        raise ConfigError(
            "--output", f"not given, and the model has {len(names)} outputs", f"one of {listed}",
            f"name the one that is sent, e.g. --output {first}",
        )  # fmt: skip
    return vectors[0]


def _shape(tensor: TensorInfo) -> str:
    sizes = ("batch", *(tensor.shape or ("...",)))
    return " x ".join("any" if size is None else str(size) for size in sizes)
