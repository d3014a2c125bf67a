"""Divides the people of a request and writes their records as shards, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from msgspec.structs import replace

from tiprdc.audit.foreign.model import infer_modality
from tiprdc.audit.foreign.records import (
    UNUSED_SIZE,
    manifest_settings,
    read_manifest,
    reader_config,
)
from tiprdc.audit.foreign.request import AuditRequest, option_names_in_errors
from tiprdc.audit.foreign.texts import fit_texts, tokenizer_path
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.modality import holds_recordings
from tiprdc.datasets.manifest.vectors import holds_vectors
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema
from tiprdc.datasets.shard_plan import Plan, encode, make_plan
from tiprdc.datasets.shard_writing import Encoded, write_shards
from tiprdc.datasets.tables.names import list_names
from tiprdc.encoders.output import choose_output
from tiprdc.encoders.pictures import picture_adapter
from tiprdc.encoders.texts import Padding, check_pooling, text_adapter
from tiprdc.errors import ConfigError, ModelError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.sandbox import runner
from tiprdc.sandbox.model_info import ModelInfo
from tiprdc.settings import convert
from tiprdc.training.encoder_config import EncoderConfig


def manifest_config(request: AuditRequest) -> ManifestConfig:
    """Settings of the manifest reader: for the encoder's records if there is one, else for x.

    Raises:
        ModelError: The encoder is refused.
        ConfigError: An option is missing, or does not match the encoder or the data.
        DataError: The data cannot be read.
    """
    if not request.models:
        return records_config(request)
    (path,) = request.models
    info = runner.validate(path)
    modality = infer_modality(info)
    try:
        if modality == "image":
            _, size = picture_adapter(info, request)
            with option_names_in_errors():
                return reader_config(request, "image", size, info, None)
        if modality == "text":
            return _texts_config(request, info)
    except ModelError as error:
        raise ModelError("SOURCE", error.given, error.expected, error.hint) from error
    raise ConfigError(
        "SOURCE", f"{path} takes neither pictures nor texts", "an encoder of pictures or texts",
        "run it yourself, and protect its vectors: docs/encoders.md",
    )  # fmt: skip


def encoder_config(request: AuditRequest, licence: str | None = None) -> EncoderConfig:
    """How the encoder is run, and its licence, as `train.encoder` states them."""
    values = {
        "path": str(request.models[0]), "pixels": request.pixels, "layout": request.layout,
        "channels": request.channels or "rgb", "output": request.output,
        "pooling": request.pooling,
        "licence": licence,
    }  # fmt: skip
    return convert(EncoderConfig, values, "train.encoder")


def _texts_config(request: AuditRequest, info: ModelInfo) -> ManifestConfig:
    """For texts: what can be refused before the data are read, is."""
    with option_names_in_errors():
        fitted = fit_texts(request, info)
        adapter = text_adapter(info, Padding(fitted.padding, fitted.pads_left))
        check_pooling(choose_output(info, request, "text"), adapter)
        config = reader_config(request, "text", UNUSED_SIZE, info, None)
    (length,) = fitted.shape
    return replace(config, tokenizer=str(tokenizer_path(request)), length=length)


def records_config(request: AuditRequest) -> ManifestConfig:
    """Settings of the manifest reader for vectors or recordings.

    Raises:
        ConfigError: No input column is named, and not exactly one holds vectors or recordings; or
            an option is for recordings, and there are none.
        DataError: The file cannot be read.
    """
    with option_names_in_errors("SOURCE"):
        table = read_manifest(request).table
    x = request.x or (_input_column(request, table),)
    if len(x) == 1 and x[0] in table and holds_recordings(table[x[0]]):
        return manifest_settings(request, modality="audio", x=x)
    for option, value in (("--rate", request.rate), ("--duration", request.duration)):
        if value is not None:
            given = f"{value:g}, but {list_names(x, 5)} holds no paths of recordings"
            raise ConfigError(option, given, "recordings", f"leave {option} out")
    return manifest_settings(request, modality="table", x=x)


def prepare(
    config: PrepareConfig,
    out: Path,
    progress: Callable[[float], None],
    say: Callable[[str], None],
) -> Schema:
    """Write the shards, all or nothing.

    Args:
        config: Which records, and how people are divided.
        out: Folder for the shards.
        progress: Called with the share that is done.
        say: Called with each line for the user.

    Raises:
        ConfigError, DataError: The data do not fit the request.
    """
    with option_names_in_errors():
        plan = make_plan(config)
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_directory(out, replace=True) as folder:
            return write_shards(config, plan, _encoded(plan, progress), folder, say)


def _encoded(plan: Plan, progress: Callable[[float], None]) -> Iterator[tuple[str, Encoded]]:
    for number, (file, start, stop) in enumerate(plan.shards, 1):
        yield file, encode(plan, start, stop)
        progress(number / len(plan.shards))


def _input_column(request: AuditRequest, table: pd.DataFrame) -> str:
    used = {*request.private, *request.utility, request.person, request.split}
    free = [str(name) for name in table.columns if name not in used]
    fit = [name for name in free if holds_vectors(table[name]) or holds_recordings(table[name])]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise ConfigError(
            "--x", f"not given, and {list_names(fit, 5)} hold vectors or recordings",
            "the column to protect", f"add --x {fit[0]}",
        )  # fmt: skip
    raise ConfigError(
        "--x", f"not given, and no column of {request.data.name} holds vectors or recordings",
        "lists of Parquet, an array [N, F] of a .npz, or paths of .npy, .wav, .flac or .ogg",
        "for pictures or texts give an encoder: tiprdc protect encoder.onnx --data people.csv",
    )  # fmt: skip
