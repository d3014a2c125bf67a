"""Features of a frozen encoder in place of records, for the stages that train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.observability.progress import console
from tiprdc.cli.progress import Progress
from tiprdc.datasets.schema import Schema, Split, read_schema
from tiprdc.encoders.cache import encode_shards
from tiprdc.encoders.encoder import open_encoder
from tiprdc.errors import ConfigError
from tiprdc.training.config import TrainConfig

CACHE = Path("runs/encoded")
"""Beside the state of runs: DVC deletes outs before a stage runs."""


def trained_shards(
    config: TrainConfig, shards: Path, splits: Sequence[Split] = ("extractor-train",)
) -> Path:
    """The shards that are trained on: those of `prepare`, or the features of an encoder.

    Args:
        config: What is trained.
        shards: Folder of `prepare`.
        splits: Of which features are needed.

    Raises:
        ModelError, ConfigError: The encoder is refused, or does not fit the records.
    """
    schema = read_schema(shards)
    if config.encoder.path is None:
        _refuse_foreign_padding(schema)
        return shards
    encoder = open_encoder(config.encoder, schema)
    with Progress(console=console) as progress:
        return encode_shards(
            encoder, shards, schema, CACHE, lambda share: progress("encode", share), splits
        )


def _refuse_foreign_padding(schema: Schema) -> None:
    """Our own networks take token 0 behind a text for padding."""
    if schema.padding or schema.pads_left:
        side = "before" if schema.pads_left else "behind"
        raise ConfigError(
            "prepare.manifest.tokenizer", f"{schema.tokenizer_file} pads with token"
            f" {schema.padding} {side} a text, which only an encoder takes", "an encoder, or none",
            "set train.encoder.path, or leave prepare.manifest.tokenizer empty",
        )  # fmt: skip
