"""Writes `manifest.json` of a release: input, output, bounds, parity, digests of the files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from msgspec import UNSET, UnsetType

from tiprdc import __version__
from tiprdc.datasets.images import DEEP_GREY, ORIENTATION, RESIZE
from tiprdc.datasets.recordings import CHANNELS, LENGTH, RESAMPLING
from tiprdc.export.onnx_export import ExportConfig, features_shape
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.dtypes import RECORD_DTYPES
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import (
    MANIFEST_VERSION,
    Agreement,
    AudioDecoding,
    Contract,
    FileDigest,
    ImageDecoding,
    InputColumn,
    InputTensor,
    MostBits,
    OutputTensor,
    TrainingData,
    Variant,
    artifact_of,
)
from tiprdc.models.capacity import attribute_bits, channel_bits
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import FeatureMaker, InputSpec


def write_manifest(
    path: Path,
    extractor: FeatureMaker,
    spec: InputSpec,
    parity: Agreement,
    config: ExportConfig,
    *,
    files: Mapping[str, Path],
    private: Mapping[str, int],
    told: tuple[str, ...],
    dataset: str,
    data_digest: str,
    background: str,
    notes: tuple[str, ...] = (),
    variant: Variant | None = None,
) -> None:
    """Describe a release so that a device can feed it and anybody can check its bytes.

    Args:
        path: The `manifest.json` to write.
        extractor: The exported extractor; its own input may be the features of an encoder.
        spec: The input of the file.
        parity: Result of `check_parity`.
        config: Settings of the export.
        files: Name in the release -> file.
        private: Attribute that the extractor was trained to hide -> number of classes.
        told: Tasks whose labels training used.
        dataset: Name of the training data.
        data_digest: sha256 of the shards.
        background: For pictures, the colour that transparent pixels are shown on.
        notes: Remarks for users.
        variant: For a variant, the file that it was made from and the difference from it.
    """
    output, record_bits = _output(extractor)
    contract = Contract(
        manifest_version=MANIFEST_VERSION,
        name=artifact_of(variant.name if variant else None),
        tiprdc_version=__version__,
        private=tuple(private),
        told=told,
        input=_input_tensor(spec, background),
        output=output,
        most_bits=MostBits(
            record=record_bits,
            private={name: attribute_bits(classes) for name, classes in private.items()},
        ),
        opset=config.opset,
        parity=parity,
        training_data=TrainingData(dataset=dataset, digest=data_digest),
        files={
            name: FileDigest(sha256=sha256(file), bytes=file.stat().st_size)
            for name, file in sorted(files.items())
        },
        notes=notes,
        variant=variant,
    )
    with atomic_file(path) as file:
        file.write(contract.to_json().encode())


def _output(extractor: FeatureMaker) -> tuple[OutputTensor, float | None]:
    """The output, and the most bits that one record's features can carry."""
    shape = features_shape(extractor)
    if not isinstance(extractor, Extractor):
        return OutputTensor(name="z", dtype="float32", shape=("batch", *shape)), None
    channel, codes = extractor.channel, extractor.config.codes
    noise = 0.0 if codes else channel.noise
    output = OutputTensor(
        name="z", dtype="float32", shape=("batch", *shape),
        clip=channel.clip, noise=noise, bits=channel.bits, codes=codes,
    )  # fmt: skip
    return output, channel_bits(math.prod(shape), channel.clip, noise, channel.bits, codes)


def _input_tensor(spec: InputSpec, background: str) -> InputTensor:
    decoding = ImageDecoding(
        resize=RESIZE, orientation=ORIENTATION, background=background, deep_grey=DEEP_GREY
    )
    recording: AudioDecoding | UnsetType = UNSET
    if spec.modality == "audio":
        recording = AudioDecoding(
            rate=spec.rate, channels=CHANNELS, resampling=RESAMPLING, length=LENGTH
        )
    return InputTensor(
        name="x",
        modality=spec.modality,
        dtype=RECORD_DTYPES[spec.modality],
        shape=("batch", *spec.shape),
        columns=tuple(InputColumn(**asdict(column)) for column in spec.columns),
        vocabulary_size=spec.vocabulary_size,
        decoding=decoding if spec.modality == "image" else None,
        recording=recording,
    )
