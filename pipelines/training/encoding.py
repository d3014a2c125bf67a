"""Features of a frozen encoder in place of records, for the stages that train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.observability.progress import console
from tiprdc.cli.progress import Progress
from tiprdc.datasets.schema import Split, read_schema
from tiprdc.encoders.cache import encode_shards
from tiprdc.encoders.encoder import open_encoder
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
    if config.encoder.path is None:
        return shards
    schema = read_schema(shards)
    encoder = open_encoder(config.encoder, schema)
    with Progress(console=console) as progress:
        return encode_shards(
            encoder, shards, schema, CACHE, lambda share: progress("encode", share), splits
        )
