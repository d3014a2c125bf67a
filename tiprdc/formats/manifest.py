"""The typed model of a release's `manifest.json`: export writes it, devices and registries read it.

It needs no onnx, so that a device or a terminal can read a manifest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.formats.decoding import Count, Sha256, decode, encode
from tiprdc.formats.dtypes import RECORD_DTYPES
from tiprdc.formats.files import read_json

MANIFEST_VERSION: Final = 2
FILE = "manifest.json"
MODEL = "extractor.onnx"
CODE = "code"
"""Second output of an extractor with codes: the number of each record's code."""
VARIANTS = ("int8", "fp16")
"""Smaller files that export can make of a release, each a release of its own."""

MOST_BYTES = 2**31 - 1
"""Of one file of a release: protobuf's own limit."""
MOST_NUMBERS = 2**26
"""Of one record, or of its features."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_EXPECTED = f"a manifest.json of version {MANIFEST_VERSION}"
_HINT = "write it again with `dvc repro -f export`"


class InputColumn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of a table's record.

    Args:
        name: In the source.
        categories: Of a categorical column; empty for a numeric one.
        mean, std: Of a numeric column, over extractor-train, in the column's unit.
    """

    name: str
    categories: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0


class ImageDecoding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a picture becomes a record; `tiprdc.datasets.images.read_image` does it.

    Args:
        resize: Filter with which it is stretched to the record's height and width.
        orientation: What turns it upright first.
        background: Colour that transparent pixels are shown on, `#rrggbb`.
        deep_grey: What is kept of grey of 9 to 16 bits.
    """

    resize: Literal["bilinear"]
    orientation: Literal["exif"]
    background: Annotated[str, Meta(pattern="^#[0-9a-f]{6}$", max_length=7)]
    deep_grey: Literal["upper 8 bits"]


class AudioDecoding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recording becomes a record; `tiprdc.datasets.recordings.read_recording` does it.

    Args:
        rate: Samples a second.
        channels: How they become one.
        resampling: What brings another rate to this one.
        length: What of the recording is used.
    """

    rate: Annotated[int, Meta(ge=1000, le=1_000_000)]
    channels: Literal["mean"]
    resampling: Literal["soxr HQ"]
    length: Literal["first seconds, zeros behind"]


class InputTensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model takes.

    Args:
        name, dtype: Of the ONNX input.
        modality: Kind of record.
        shape: "batch", then the shape of one record.
        columns: For tables, the columns in order.
        vocabulary_size: For text, the number of token ids; else 0.
        decoding: For pictures, how a file becomes a record; else None.
        recording: The same for recordings; else left out.
    """

    name: str
    modality: Literal["image", "table", "text", "audio"]
    dtype: str
    shape: tuple[str | int, ...]
    columns: tuple[InputColumn, ...]
    vocabulary_size: int
    decoding: ImageDecoding | None = None
    recording: AudioDecoding | UnsetType = UNSET


class OutputTensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model gives.

    Args:
        name, dtype: Of the ONNX output.
        shape: "batch", then the shape of one record's features.
        clip, noise, bits: What happens to features before they leave
            (tiprdc/models/layers/channel.py); each 0 where it does not.
        codes: Number of different features that records can have; 0 if they are not codes. A second
            output `code`, int64 `[batch]`, then gives the number of the code.
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    clip: float = 0.0
    noise: float = 0.0
    bits: int = 0
    codes: int = 0


class MostBits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Upper bounds on information, in bits.

    Args:
        record: What one record's features reveal of anything; None if no bound is known.
        private: Private attribute -> what anything can reveal of it at most, log2 K.
    """

    record: float | None
    private: dict[str, float]


class Agreement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the file is from torch.

    Args:
        records: Number of real records compared.
        max_abs, mean_abs: Largest and mean absolute difference of a feature.
    """

    records: int
    max_abs: float
    mean_abs: float


class TrainingData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name of the data set, and sha256 of its shards."""

    dataset: str
    digest: str


class FileDigest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sha256 and size of a file of the release."""

    sha256: Sha256
    bytes: Count


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model that a variant was made of, and its difference from it.

    Args:
        name: One of `VARIANTS`.
        of: sha256 of the file whose features these should be.
        max_abs, mean_abs: Largest and mean absolute difference of a feature.
        records: Number of real records compared.
    """

    name: Literal["int8", "fp16"]
    of: Sha256
    max_abs: float
    mean_abs: float
    records: Count


class Contract(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release as its manifest describes it.

    Args:
        name: In the registry.
        tiprdc_version: That exported it.
        private: Attributes that the extractor was trained to hide.
        told: Tasks whose labels training used.
        opset: ONNX operator set.
        files: Name in the release -> digest and size.
        notes: What a user should know.
        variant: Where this is a variant; else None.
    """

    manifest_version: Literal[2]
    name: str
    tiprdc_version: str
    private: tuple[str, ...]
    input: InputTensor
    output: OutputTensor
    most_bits: MostBits = MostBits(record=None, private={})
    opset: int
    parity: Agreement
    training_data: TrainingData
    files: dict[str, FileDigest]
    notes: tuple[str, ...]
    variant: Variant | None = None
    told: tuple[str, ...] = ()

    @property
    def model_sha256(self) -> str:
        """Digest of the ONNX file."""
        return self.files[MODEL].sha256

    @property
    def modality(self) -> str:
        """Kind of record: image, table, text or audio."""
        return self.input.modality

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """For tables, the input columns in order."""
        return self.input.columns

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one record, without the batch."""
        return tuple(int(size) for size in self.input.shape[1:])

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one record's features, without the batch."""
        return tuple(int(size) for size in self.output.shape[1:])

    @property
    def data_digest(self) -> str:
        """sha256 of the shards that the extractor was trained on."""
        return self.training_data.digest

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return encode(self, sort_keys=True)


def variant_named(name: str, where: str) -> str:
    """The variant of this name.

    Raises:
        ConfigError: There is none.
    """
    if name not in VARIANTS:
        raise ConfigError(where, name, ", ".join(VARIANTS), suggestion(name, VARIANTS))
    return name


def artifact_of(variant: str | None, artifact: str = "extractor") -> str:
    """Name in the registry of the extractor, or of a variant of it.

    Raises:
        ConfigError: There is no such variant.
    """
    return artifact if variant is None else f"{artifact}-{variant_named(variant, 'variant')}"


def read_contract(path: Path) -> Contract:
    """Read a release's `manifest.json`.

    Raises:
        DataError: The file is missing, not a manifest, or of another version.
    """
    return parse_contract(read_json(path), str(path))


def parse_contract(raw: dict[str, Any], where: str) -> Contract:
    """Turn a decoded `manifest.json` into a `Contract`.

    Args:
        raw: From `tiprdc.formats.files.read_json`.
        where: File name for errors.

    Raises:
        DataError: It is not a manifest, or of another version.
    """
    version = raw.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise DataError(where, f"manifest_version {version!r}", _EXPECTED, _HINT)
    contract = decode(raw, Contract, where, _EXPECTED, _HINT)
    for key, fault in _faults(contract):
        raise DataError(f"{where}: {key}", fault, _EXPECTED, _HINT)
    return contract


def _faults(contract: Contract) -> Iterator[tuple[str, str]]:
    """Dotted key and sentence of what types and ranges alone do not refuse."""
    if MODEL not in contract.files:
        yield "files", f"it lists no {MODEL}"
    for name, file in contract.files.items():
        # On any system: a name on one system can be a path on another.
        if not _NAME.fullmatch(name) or name == FILE:
            yield "files", "it lists a file that lies elsewhere, or has no plain name"
        elif file.bytes > MOST_BYTES:
            yield "files", f"{name} is larger than {MOST_BYTES:,} bytes"
    for key, shape in (
        ("input.shape", contract.input.shape),
        ("output.shape", contract.output.shape),
    ):
        fault = _shape_fault(shape)
        if fault:
            yield key, fault
            return
    yield from _modality_faults(contract)
    if contract.output.dtype != "float32":
        yield "output.dtype", "a type that no release has"


def _modality_faults(contract: Contract) -> Iterator[tuple[str, str]]:
    modality = contract.modality
    if modality == "table" and len(contract.columns) != contract.input_shape[0]:
        yield "input.columns", "another number of columns than its shape has"
    if (modality == "image") != (contract.input.decoding is not None):
        yield "input.decoding", "it must be stated for pictures, and for nothing else"
    if (modality == "audio") != (contract.input.recording is not UNSET):
        yield "input.recording", "it must be stated for recordings, and for nothing else"
    if RECORD_DTYPES[modality] != contract.input.dtype:
        yield "input.dtype", f"a type that no release of {modality} records has"


def _shape_fault(shape: tuple[str | int, ...]) -> str | None:
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    if shape[:1] != ("batch",) or len(sizes) != len(shape) - 1:
        return "a shape that is not 'batch' and whole numbers"
    if not 1 <= len(sizes) <= 4 or min(sizes) < 1:
        return "a shape without sizes: 1 to 4 numbers from 1 are needed"
    if math.prod(sizes) > MOST_NUMBERS:
        return f"a shape beyond what a record has, {MOST_NUMBERS:,} numbers"
    return None
