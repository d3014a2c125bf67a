"""Builds a release, or a variant of it: the ONNX file, its tokenizer if any, the manifest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import SPLITS, Schema, read_schema, read_split
from tiprdc.encoders.document import LICENCE_FILE
from tiprdc.errors import ModelError
from tiprdc.export.manifest_writer import write_manifest
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_features, compare_features, file_features
from tiprdc.export.quantization import quantize
from tiprdc.export.trained import Trained, join_encoder, load_trained
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import MODEL, Agreement, Variant
from tiprdc.models.inputs import InputSpec


def build(
    config: ExportConfig,
    *,
    shards: Path,
    checkpoint: Path,
    release: Path,
    unprotected: Path,
) -> None:
    """Export both extractors, check each against torch on real records, write the manifest.

    Args:
        config: Operator set, tolerance, number of records for the check.
        shards: Folder that `prepare` wrote.
        checkpoint: Folder that `train` wrote.
        release: Folder for `extractor.onnx`, `manifest.json` and, for text, `tokenizer.json`.
        unprotected: Folder for `unprotected.onnx`, which is never released.

    Raises:
        ModelError: A checkpoint is damaged, or a file differs from torch.
    """
    schema = read_schema(shards)
    trained = load_trained(checkpoint / "protected")
    x = _sample_records(shards, schema, trained.parity_records(config))
    bare = load_trained(checkpoint / "unprotected")
    _export(config, bare, schema, x, unprotected / "unprotected.onnx")
    parity = _export(config, trained, schema, x, release / MODEL)
    _add_manifest(config, schema, trained, parity, shards, release)


def build_variant(
    config: ExportConfig,
    variant: str,
    *,
    shards: Path,
    checkpoint: Path,
    release: Path,
    out: Path,
) -> None:
    """Make a variant of the released file, as a release of its own with its own manifest.

    Args:
        config: Tolerance of variants, numbers of records for ranges and for the comparison.
        variant: One of `config.variants`.
        shards: Folder that `prepare` wrote.
        checkpoint: Folder that `train` wrote.
        release: Folder that `build` wrote.
        out: Folder for `extractor.onnx`, `manifest.json` and, for text, `tokenizer.json`.

    Raises:
        ModelError: It differs from the released file by more than `config` allows.
    """
    schema = read_schema(shards)
    trained = load_trained(checkpoint / "protected")
    x = _sample_records(shards, schema, trained.parity_records(config))
    source, target = release / MODEL, out / MODEL
    # Ranges are released with the file, so people of the attacker splits must not shape them.
    count = config.calibration_records
    calibration = read_split(shards, schema, "extractor-train", fewest=count).x[:count]
    quantize(source, target, variant, calibration)
    variant_features = file_features(target)
    from_source = compare_features(file_features(source), variant_features, x)
    # Written so that NaN fails too.
    if not from_source.mean_abs <= config.variants_tolerance:
        raise ModelError(
            str(target), f"differs from {source} by {from_source.mean_abs:.2g} on average",
            f"at most {config.variants_tolerance:g}",
            "raise export.calibration_records, choose another variant, or raise "
            "export.variants_tolerance",
        )  # fmt: skip
    parity = compare_features(trained.features, variant_features, x)
    origin = {"name": variant, "of": sha256(source), **msgspec.structs.asdict(from_source)}
    described = msgspec.convert(origin, Variant)
    _add_manifest(config, schema, trained, parity, shards, out, described)


def _export(
    config: ExportConfig, trained: Trained, schema: Schema, x: NDArray[Any], path: Path
) -> Agreement:
    """Write the file of what was trained, and compare the two on real records."""
    export(trained.extractor, path, trained.export_config(config))
    if trained.encoder:
        join_encoder(trained.encoder, path, schema.shape)
    return check_features(trained.features, path, x, config)


def _add_manifest(
    config: ExportConfig,
    schema: Schema,
    trained: Trained,
    parity: Agreement,
    shards: Path,
    release: Path,
    variant: Variant | None = None,
) -> None:
    """Write the manifest of a release, and tokenizer and licence of an encoder if there are any."""
    files = {MODEL: release / MODEL}
    if schema.modality == "text":
        files["tokenizer.json"] = release / "tokenizer.json"
        shutil.copyfile(shards / "tokenizer.json", files["tokenizer.json"])
    if trained.licence_text:
        files[LICENCE_FILE] = release / LICENCE_FILE
        files[LICENCE_FILE].write_text(trained.licence_text, encoding="utf-8", newline="\n")
    write_manifest(
        release / "manifest.json",
        trained.extractor,
        InputSpec.of(schema),
        parity,
        trained.export_config(config),
        files=files,
        private={name: schema.classes(name) for name in schema.private},
        told=trained.told,
        dataset=schema.dataset,
        data_digest=schema.digest,
        background=schema.background,
        notes=(*schema.notes, *trained.notes()),
        variant=variant,
    )


def _sample_records(shards: Path, schema: Schema, count: int) -> NDArray[Any]:
    """Real records, up to `count`, from the splits in reverse order."""
    parts: list[NDArray[Any]] = []
    for split in reversed(SPLITS):
        if count:
            parts.append(read_split(shards, schema, split, fewest=count).x[:count])
            count -= len(parts[-1])
    return np.concatenate(parts)
