"""How an encoder takes the records of shards, and whether they are its own kind of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Schema
from tiprdc.encoders.output import choose_output
from tiprdc.encoders.pictures import PictureAdapter, picture_adapter
from tiprdc.encoders.texts import Padding, TextAdapter, check_pooling, fixed_lengths, text_adapter
from tiprdc.errors import ConfigError, ModelError, TiprdcError
from tiprdc.sandbox.execution import Run
from tiprdc.sandbox.model_info import ModelInfo
from tiprdc.training.encoder_config import EncoderConfig

_FEW_TOKENS = 16


def fit_encoder(
    info: ModelInfo, config: EncoderConfig, schema: Schema
) -> tuple[PictureAdapter | TextAdapter, Run]:
    """What converts the records of shards to an encoder's inputs, and how it is run.

    Args:
        info: The validated encoder.
        config: What the user states about it.
        schema: Of the shards.

    Raises:
        ModelError: It has an input that nothing is known for.
        ConfigError: A setting is missing, or does not match the file or the records.
    """
    if schema.modality == "image":
        return _fit_pictures(info, config, schema)
    if schema.modality == "text":
        return _fit_texts(info, config, schema)
    raise ConfigError(
        "train.encoder.path", f"a file for {schema.modality} records", "pictures or texts",
        "run the encoder yourself and give its vectors: docs/encoders.md",
    )  # fmt: skip


def check_tokens(
    features: Callable[[NDArray[Any]], NDArray[np.float32]], schema: Schema, where: str
) -> None:
    """Run a text encoder on made-up texts of the tokenizer's last tokens.

    Args:
        features: Of token ids `[N, T]`.
        schema: Of the shards.
        where: The encoder, for messages.

    Raises:
        ModelError: It fails; the message says whether the tokenizer or the length is the cause.
    """
    (length,) = schema.shape
    last = schema.vocabulary_size - 2

    def runs(first_token: int, tokens: int) -> ModelError | None:
        x = np.resize(np.array([first_token, first_token + 1], np.int32), (1, tokens))
        try:
            features(x)
        except ModelError as error:
            return error
        return None

    error = runs(last, length)
    if error is None:
        return
    if runs(0, length) is None:
        raise ModelError(
            where, f"it fails on the tokenizer's last tokens, {last:,} and {last + 1:,}, and runs"
            " on the first", "the tokenizer that the encoder was trained with",
            "set prepare.manifest.tokenizer to the tokenizer.json that was saved with it",
        ) from error  # fmt: skip
    if length > _FEW_TOKENS and runs(0, _FEW_TOKENS) is None:
        raise ModelError(
            where, f"it fails on texts of {length:,} tokens, and runs on those of {_FEW_TOKENS}",
            "no more tokens than it was trained with, often 512",
            "lower prepare.manifest.length",
        ) from error  # fmt: skip
    raise error


def _fit_pictures(
    info: ModelInfo, config: EncoderConfig, schema: Schema
) -> tuple[PictureAdapter, Run]:
    is_open = (info.inputs[0].shape or ()).count(None) > 1
    options = _options(config, size=schema.shape[1] if is_open else None)
    with _settings_in_errors():
        run = choose_output(info, options, "image")
        adapter, size = picture_adapter(info, options)
    if (size, size) != schema.shape[1:]:
        raise ConfigError(
            "train.encoder.path", f"it takes pictures of {size} x {size}, the shards have"
            f" {schema.shape[1]} x {schema.shape[2]}", "pictures of the encoder's size",
            f"set prepare.manifest.size to {size}",
        )  # fmt: skip
    return adapter, run


def _fit_texts(info: ModelInfo, config: EncoderConfig, schema: Schema) -> tuple[TextAdapter, Run]:
    if not schema.tokenizer_file:
        raise ConfigError(
            "prepare.manifest.tokenizer", "not given, so the shards have tokens of another"
            " tokenizer than the encoder's", "the encoder's tokenizer.json",
            "set prepare.manifest.tokenizer to the file that was saved with the encoder",
        )  # fmt: skip
    with _settings_in_errors():
        adapter = text_adapter(info, Padding(schema.padding, schema.pads_left))
        run = choose_output(info, _options(config), "text")
        check_pooling(run, adapter)
    lengths = fixed_lengths(info)
    if lengths - set(schema.shape):
        (length,) = lengths - set(schema.shape)
        raise ConfigError(
            "train.encoder.path", f"it takes texts of {length:,} tokens, the shards have"
            f" {schema.shape[0]:,}", "texts of the encoder's length",
            f"set prepare.manifest.length to {length}",
        )  # fmt: skip
    return adapter, run


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What the settings state, as `ModelOptions`."""

    pixels: str | None
    layout: str | None
    channels: str | None
    output: str | None
    pooling: str | None
    size: int | None


def _options(config: EncoderConfig, size: int | None = None) -> _Options:
    return _Options(
        pixels=config.pixels, layout=config.layout, channels=config.channels,
        output=config.output, pooling=config.pooling, size=size,
    )  # fmt: skip


@contextmanager
def _settings_in_errors() -> Iterator[None]:
    """Replace options of the audit's command line by settings in error messages."""
    try:
        yield
    except TiprdcError as error:
        parts = [str(part) for part in (error.where, error.given, error.expected, error.hint)]
        for name in ("pixels", "layout", "channels", "output", "pooling"):
            parts = [part.replace(f"--{name} ", f"--{name}=") for part in parts]
            parts = [part.replace(f"--{name}", f"train.encoder.{name}") for part in parts]
        parts[0] = parts[0].replace("MODEL", "train.encoder.path")
        raise type(error)(*parts) from error
