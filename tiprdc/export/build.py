"""Assemble a release, or a variant: the file, its tokenizer where there is one, the manifest."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import SPLITS, Schema, read_schema, read_split
from tiprdc.errors import ModelError
from tiprdc.export.onnx_export import (
    ExportConfig,
    Parity,
    compare,
    difference,
    export,
    features_before_noise,
    torch_features,
    write_manifest,
)
from tiprdc.export.quantization import quantise
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import MODEL
from tiprdc.models.extractor import Extractor
from tiprdc.training.checkpoint import load_extractor


def build(
    config: ExportConfig,
    *,
    shards: Path,
    checkpoint: Path,
    release: Path,
    unprotected: Path,
) -> None:
    """Export both extractors, compare each with torch on real records, describe the one that ships.

    Args:
        config: Operator set, tolerance, number of records to compare on.
        shards: Folder of `prepare`.
        checkpoint: Folder of `train`.
        release: Folder for `extractor.onnx`, `manifest.json` and, for text, `tokenizer.json`.
        unprotected: Folder for `unprotected.onnx`, which never ships.

    Raises:
        ModelError: A checkpoint is damaged, or a file differs from torch.
    """
    schema = read_schema(shards)
    x = _some_records(shards, schema, config.parity_records)
    twin = load_extractor(checkpoint / "unprotected")
    export(twin, unprotected / "unprotected.onnx", config)
    compare(twin, unprotected / "unprotected.onnx", x, config)
    extractor = load_extractor(checkpoint / "protected")
    export(extractor, release / MODEL, config)
    parity = compare(extractor, release / MODEL, x, config)
    _describe(config, schema, extractor, parity, shards, release)


def build_variant(
    config: ExportConfig,
    variant: str,
    *,
    shards: Path,
    checkpoint: Path,
    release: Path,
    out: Path,
) -> None:
    """Make a variant of the file that ships, a release of its own: compared, and described.

    Args:
        config: Tolerance of variants, numbers of records to set ranges and to compare on.
        variant: One of `config.variants`.
        shards: Folder of `prepare`.
        checkpoint: Folder of `train`.
        release: Folder that `build` wrote.
        out: Folder for `extractor.onnx`, `manifest.json` and, for text, `tokenizer.json`.

    Raises:
        ModelError: It differs from the file that ships by more than `config` allows.
    """
    schema = read_schema(shards)
    x = _some_records(shards, schema, config.parity_records)
    source, target = release / MODEL, out / MODEL
    # Ranges are part of what is released: no person whom attackers know may shape them.
    ranges = read_split(shards, schema, "extractor-train").x[: config.calibration_records]
    quantise(source, target, variant, ranges)
    found = features_before_noise(target)
    apart = difference(features_before_noise(source), found, x)
    # Written so that NaN fails too.
    if not apart.mean_abs <= config.variants_tolerance:
        raise ModelError(
            str(target), f"differs from {source} by {apart.mean_abs:.2g} on average",
            f"at most {config.variants_tolerance:g}",
            "more export.calibration_records, another variant, or raise export.variants_tolerance",
        )  # fmt: skip
    extractor = load_extractor(checkpoint / "protected")
    parity = difference(torch_features(extractor), found, x)
    described = {"name": variant, "of": sha256(source), **asdict(apart)}
    _describe(config, schema, extractor, parity, shards, out, described)


def _describe(
    config: ExportConfig,
    schema: Schema,
    extractor: Extractor,
    parity: Parity,
    shards: Path,
    release: Path,
    variant: dict[str, Any] | None = None,
) -> None:
    """The manifest beside a file, and the tokenizer where there is one."""
    files = {MODEL: release / MODEL}
    if schema.modality == "text":
        files["tokenizer.json"] = release / "tokenizer.json"
        shutil.copyfile(shards / "tokenizer.json", files["tokenizer.json"])
    write_manifest(
        release / "manifest.json",
        extractor,
        parity,
        config,
        files=files,
        private={name: schema.classes(name) for name in schema.private},
        dataset=schema.dataset,
        data_digest=schema.digest,
        notes=schema.notes,
        variant=variant,
    )


def _some_records(shards: Path, schema: Schema, count: int) -> NDArray[Any]:
    """Real records of every split in turn, up to `count`."""
    parts: list[NDArray[Any]] = []
    for split in reversed(SPLITS):
        parts.append(read_split(shards, schema, split).x[:count])
        count -= len(parts[-1])
    return np.concatenate(parts)
