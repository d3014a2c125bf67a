"""Assemble a release: the extractor's file, its tokenizer where there is one, and the manifest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.checkpoint import load_extractor
from tiprdc.datasets.schema import SPLITS, Schema, read_schema, read_split
from tiprdc.export import ExportConfig, compare, export, write_manifest


def build(
    config: ExportConfig,
    *,
    shards: Path,
    checkpoint: Path,
    release: Path,
    control: Path,
) -> None:
    """Export both extractors, compare each with torch on real records, describe the one that ships.

    Args:
        config: Operator set, tolerance, number of records to compare on.
        shards: Folder of `prepare`.
        checkpoint: Folder of `train`.
        release: Folder for `extractor.onnx`, `manifest.json` and, for text, `tokenizer.json`.
        control: Folder for `unprotected.onnx`, which never ships.

    Raises:
        ModelError: A checkpoint is damaged, or a file differs from torch.
    """
    schema = read_schema(shards)
    x = _some_records(shards, schema, config.parity_records)
    twin = load_extractor(checkpoint / "unprotected")
    export(twin, control / "unprotected.onnx", config)
    compare(twin, control / "unprotected.onnx", x, config)
    extractor = load_extractor(checkpoint / "protected")
    files = {"extractor.onnx": release / "extractor.onnx"}
    export(extractor, files["extractor.onnx"], config)
    parity = compare(extractor, files["extractor.onnx"], x, config)
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
    )


def _some_records(shards: Path, schema: Schema, count: int) -> NDArray[Any]:
    """Real records of every split in turn, up to `count`."""
    parts: list[NDArray[Any]] = []
    for split in reversed(SPLITS):
        parts.append(read_split(shards, schema, split).x[:count])
        count -= len(parts[-1])
    return np.concatenate(parts)
