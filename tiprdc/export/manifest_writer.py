"""Writes `manifest.json` of a release: input, output, bounds, parity, digests of the files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tiprdc import __version__
from tiprdc.export.onnx_export import ExportConfig, features_shape
from tiprdc.export.parity import Parity
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.dtypes import RECORD_DTYPES
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import MANIFEST_VERSION, artifact_of
from tiprdc.models.capacity import attribute_bits, channel_bits
from tiprdc.models.channel import Channel
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import FeatureMaker


def write_manifest(
    path: Path,
    extractor: FeatureMaker,
    parity: Parity,
    config: ExportConfig,
    *,
    files: Mapping[str, Path],
    private: Mapping[str, int],
    dataset: str,
    data_digest: str,
    notes: tuple[str, ...] = (),
    variant: Mapping[str, Any] | None = None,
) -> None:
    """Describe a release so that a device can feed it and anybody can check its bytes.

    Args:
        path: The `manifest.json` to write.
        extractor: The exported extractor.
        parity: Result of `check_parity`.
        config: Settings of the export.
        files: Name in the release -> file.
        private: Attribute that the extractor was trained to hide -> number of classes.
        dataset: Name of the training data.
        data_digest: sha256 of the shards.
        notes: Remarks for users.
        variant: For a variant: its `name`, the sha256 of the file it was made from (`of`), and how
            far it is from that file.
    """
    spec, shape = extractor.spec, features_shape(extractor)
    channel = extractor.channel if isinstance(extractor, Extractor) else Channel(0.0, 0.0, 0)
    document = {
        "manifest_version": MANIFEST_VERSION,
        "name": artifact_of(variant["name"] if variant else None),
        "tiprdc_version": __version__,
        "private": list(private),
        "input": {
            "name": "x",
            "modality": spec.modality,
            "dtype": RECORD_DTYPES[spec.modality],
            "shape": ["batch", *spec.shape],
            "columns": [asdict(column) for column in spec.columns],
            "vocabulary_size": spec.vocabulary_size,
        },
        "output": {
            "name": "z",
            "dtype": "float32",
            "shape": ["batch", *shape],
            "clip": channel.clip,
            "noise": channel.noise,
            "bits": channel.bits,
        },
        "most_bits": {
            "record": channel_bits(math.prod(shape), channel.clip, channel.noise, channel.bits),
            "private": {name: attribute_bits(classes) for name, classes in private.items()},
        },
        "opset": config.opset,
        "parity": asdict(parity),
        "training_data": {"dataset": dataset, "digest": data_digest},
        "files": {
            name: {"sha256": sha256(file), "bytes": file.stat().st_size}
            for name, file in sorted(files.items())
        },
        "notes": list(notes),
        "variant": dict(variant) if variant else None,
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    with atomic_file(path) as file:
        file.write(text.encode())
