"""Token ids, mask and types of tokens, as exporters of text encoders name these inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox.execution import MASK, Feed, Run
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import ModelInfo

IDS, TYPES = "input_ids", "token_type_ids"
_INPUTS = (IDS, MASK, TYPES)


class Padding(msgspec.Struct, frozen=True):
    """What a tokenizer pads with.

    Args:
        token: Id of the padding token.
        left: Whether padding stands before the text.
    """

    token: int
    left: bool

    def mask(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """1 for tokens and 0 for padding, for ids `[N, T]`.

        A padding token inside a text, which spells it out, is a token.
        """
        is_text = ids != self.token
        ordered = is_text if self.left else is_text[:, ::-1]
        reached = np.logical_or.accumulate(ordered, axis=1)
        return (reached if self.left else reached[:, ::-1]).astype(np.int64)


class TextAdapter(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """Converts token ids `[N, T]` to a model's inputs.

    Args:
        dtypes: numpy's name of the type of each input. A single input takes the ids.
        padding: What the tokenizer pads with.
    """

    dtypes: dict[str, str]
    padding: Padding

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The inputs: one text has one type of tokens, 0."""
        values = {IDS: x, MASK: self.padding.mask(x), TYPES: np.zeros_like(x)}
        return {
            name: values[kind].astype(dtype)
            for (name, dtype), kind in zip(self.dtypes.items(), self.kinds, strict=True)
        }

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.dtypes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each input takes: `IDS`, `MASK` or `TYPES`."""
        return (IDS,) if len(self.dtypes) == 1 else tuple(self.dtypes)

    def notes(self) -> Iterator[str]:
        """Nothing to say beyond the length."""
        yield from ()


def is_text_encoder(model: ModelInfo) -> bool:
    """Whether it has the inputs of a text encoder as exporters name them."""
    return any(tensor.name == IDS for tensor in model.inputs)


def text_adapter(model: ModelInfo, padding: Padding) -> TextAdapter:
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
            "export a module that takes these alone, as examples/export_minilm.py does",
        )  # fmt: skip
    return TextAdapter(
        dtypes={tensor.name: tensor.dtype for tensor in model.inputs}, padding=padding
    )


def check_pooling(run: Run, adapter: TextAdapter) -> None:
    """Refuse a mean over tokens that would count padding.

    Raises:
        ConfigError: The encoder takes no mask, so its mean would not leave padding out.
    """
    if run.pooling == "mean" and MASK not in adapter.dtypes:
        raise ConfigError(
            "--pooling", "mean, and the encoder takes no attention_mask", "cls, or none",
            "export it again with the input attention_mask, or give --pooling cls",
        )  # fmt: skip


def fixed_lengths(model: ModelInfo) -> set[int]:
    """Numbers of tokens that its inputs fix; none if it takes any."""
    shapes = [tensor.shape or () for tensor in model.inputs]
    return {shape[0] for shape in shapes if len(shape) == 1 and shape[0] is not None}
