"""Token ids, mask and types of tokens, as exporters of text encoders name these inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets import tokenizer
from tiprdc.datasets.reader import Fitted
from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox.execution import MASK, Feed
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import ModelInfo

IDS, TYPES = "input_ids", "token_type_ids"
_INPUTS = (IDS, MASK, TYPES)


@dataclass(frozen=True, kw_only=True)
class TextAdapter:
    """Converts token ids `[N, T]` to a model's inputs.

    Args:
        dtypes: numpy's name of the type of each input. A single input takes the ids.
        padding: What the tokenizer pads with.
    """

    dtypes: dict[str, str]
    padding: tokenizer.Padding

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The inputs: one text has one type of tokens, 0."""
        values = {IDS: x, MASK: self.padding.mask(x), TYPES: np.zeros_like(x)}
        if len(self.dtypes) == 1:
            ((name, dtype),) = self.dtypes.items()
            return {name: x.astype(dtype)}
        return {name: values[name].astype(dtype) for name, dtype in self.dtypes.items()}

    def notes(self) -> Iterator[str]:
        """Nothing to say beyond the length."""
        yield from ()


def is_text_encoder(model: ModelInfo) -> bool:
    """Whether it has the inputs of a text encoder as exporters name them."""
    return any(tensor.name == IDS for tensor in model.inputs)


def text_adapter(model: ModelInfo, fitted: Fitted) -> TextAdapter:
    """The adapter of a text model.

    Raises:
        ModelError: It has an input that a tokenizer does not give.
    """
    names = [tensor.name for tensor in model.inputs]
    others = [name for name in names if name not in _INPUTS]
    if len(names) > 1 and others:
        raise ModelError(
            "MODEL", f"it has the inputs {', '.join(map(quote, others[:5]))}",
            f"{', '.join(_INPUTS)}, or one input of token ids",
            "export the encoder so that it computes the others itself",
        )  # fmt: skip
    return TextAdapter(
        dtypes={tensor.name: tensor.dtype for tensor in model.inputs},
        padding=tokenizer.padding(fitted.tokenizer),
    )


def fit_texts(request: AuditRequest, model: ModelInfo) -> Fitted:
    """The model's tokenizer, cut and padded to the model's length or to `--length`.

    Raises:
        ConfigError: There is no tokenizer; the length is not known, or is not the model's.
        DataError: The file is no tokenizer.
    """
    path = request.tokenizer or request.models[0].with_name("tokenizer.json")
    if not path.is_file():
        raise ConfigError(
            "--tokenizer", f"{path} does not exist", "a tokenizer.json",
            "save the tokenizer that the model was trained with (Hugging Face tokenizers)",
        )  # fmt: skip
    shapes = [tensor.shape or () for tensor in model.inputs]
    lengths = {shape[0] for shape in shapes if len(shape) == 1 and shape[0] is not None}
    lengths |= {request.length} if request.length else set()
    if len(lengths) > 1:
        raise ConfigError(
            "--length", request.length or "two lengths in the model",
            f"the model's, {', '.join(str(n) for n in sorted(lengths - {request.length}))}",
        )  # fmt: skip
    raw = path.read_text(encoding="utf-8")
    text = tokenizer.set_length(raw, lengths.pop() if lengths else None, str(path))
    length = len(tokenizer.encode(text, [" "])[0])
    return Fitted(shape=(length,), tokenizer=text, vocabulary_size=tokenizer.vocabulary_size(text))
