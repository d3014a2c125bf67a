"""What a release takes and gives: its `manifest.json` read into a few frozen types.

Only json, so that a device or a terminal can ask without onnx.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiprdc.errors import ConfigError, DataError, suggestion
from tiprdc.formats.dtypes import RECORD_DTYPES
from tiprdc.formats.files import read_json

MANIFEST_VERSION = 2
MODEL = "extractor.onnx"
VARIANTS = ("int8", "fp16")
"""Smaller files that export can make of a release, each a release of its own."""

MOST_BYTES = 2**31 - 1
"""Of one file of a release: protobuf's own limit."""
MOST_NUMBERS = 2**26
"""Of one record, or of its features."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ALLOWED = f"a manifest.json of version {MANIFEST_VERSION}"
_MEND = "write it again with `dvc repro -f export`"


@dataclass(frozen=True, kw_only=True)
class InputColumn:
    """One column of a table's record; `categories` is empty for a number, which has a `mean`."""

    name: str
    categories: tuple[str, ...]
    mean: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a variant was made of, and how far it is from that.

    Args:
        name: One of `VARIANTS`.
        of: sha256 of the release's file, whose features these should be.
        max_abs, mean_abs: Largest and mean absolute difference of a feature.
        records: Real records on which they were compared.
    """

    name: str
    of: str
    max_abs: float
    mean_abs: float
    records: int


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


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A release as its manifest describes it.

    Args:
        private: Attributes that the extractor was trained to hide.
        input_shape: Shape of one record, without the batch.
        features: Shape of one record's features, without the batch.
        columns: For tables, the input columns in order.
        parity: Largest difference from torch, and on how many records.
        bounded, noise, bits: What happens to features before they leave (tiprdc/models/channel.py);
            each 0 where it does not.
        most_bits: Upper bound on what one record's features tell of anything, or None.
        attribute_bits: Private attribute -> what anything can tell of it at most, log2 K.
        files: Name in the release -> (sha256, bytes).
        variant: Where this is a variant; else None.
        raw: The manifest itself.
    """

    name: str
    version: str
    private: tuple[str, ...]
    modality: str
    input_name: str
    input_type: str
    input_shape: tuple[int, ...]
    columns: tuple[InputColumn, ...]
    vocabulary_size: int
    output_name: str
    output_type: str
    features: tuple[int, ...]
    clip: float
    noise: float
    bits: int
    most_bits: float | None
    attribute_bits: dict[str, float]
    opset: int
    parity: tuple[float, int]
    dataset: str
    data_digest: str
    files: dict[str, tuple[str, int]]
    notes: tuple[str, ...]
    variant: Variant | None
    raw: dict[str, Any]

    @property
    def model_sha256(self) -> str:
        """Digest of the ONNX file."""
        return self.files[MODEL][0]


def read_contract(path: Path) -> Contract:
    """Read a release's `manifest.json`.

    Raises:
        DataError: The file is missing, not a manifest, or of another version.
    """
    return parse_contract(read_json(path), str(path))


def parse_contract(raw: dict[str, Any], where: str) -> Contract:
    """Turn a decoded `manifest.json` into a `Contract`; `where` names it in errors."""
    version = raw.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise DataError(where, f"manifest_version {version!r}", _ALLOWED, _MEND)
    try:
        contract = _contract(raw)
        _check(contract)
    except KeyError as error:
        raise DataError(where, f"no key {error.args[0]!r}", _ALLOWED, _MEND) from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise DataError(where, f"not a manifest: {error}", _ALLOWED, _MEND) from error
    return contract


def _contract(raw: dict[str, Any]) -> Contract:
    taken, given = raw["input"], raw["output"]
    # A manifest that says nothing of a channel is of a release that has none.
    most = raw.get("most_bits", {"record": None, "private": {}})
    files = {str(n): (str(f["sha256"]), int(f["bytes"])) for n, f in raw["files"].items()}
    if MODEL not in files:
        raise ValueError(f"it lists no {MODEL}")
    return Contract(
        name=str(raw["name"]),
        version=str(raw["tiprdc_version"]),
        private=tuple(map(str, raw["private"])),
        modality=str(taken["modality"]),
        input_name=str(taken["name"]),
        input_type=str(taken["dtype"]),
        input_shape=_shape(taken),
        columns=tuple(
            InputColumn(
                name=str(c["name"]),
                categories=tuple(map(str, c["categories"])),
                mean=float(c.get("mean", 0.0)),
            )
            for c in taken["columns"]
        ),
        vocabulary_size=int(taken["vocabulary_size"]),
        output_name=str(given["name"]),
        output_type=str(given["dtype"]),
        features=_shape(given),
        clip=float(given.get("clip", 0)),
        noise=float(given.get("noise", 0)),
        bits=int(given.get("bits", 0)),
        most_bits=None if most["record"] is None else float(most["record"]),
        attribute_bits={str(name): float(bits) for name, bits in most["private"].items()},
        opset=int(raw["opset"]),
        parity=(float(raw["parity"]["max_abs"]), int(raw["parity"]["records"])),
        dataset=str(raw["training_data"]["dataset"]),
        data_digest=str(raw["training_data"]["digest"]),
        files=files,
        notes=tuple(map(str, raw["notes"])),
        variant=_variant(raw.get("variant")),
        raw=raw,
    )


def _variant(raw: Mapping[str, Any] | None) -> Variant | None:
    if raw is None:
        return None
    return Variant(
        name=str(raw["name"]),
        of=str(raw["of"]),
        max_abs=float(raw["max_abs"]),
        mean_abs=float(raw["mean_abs"]),
        records=int(raw["records"]),
    )


def _check(contract: Contract) -> None:
    """What a manifest from a stranger may not say."""
    for name, (digest, size) in contract.files.items():
        # On any system: what is a name here is a path there.
        if not _NAME.fullmatch(name) or name == "manifest.json":
            raise ValueError("it lists a file that lies elsewhere, or has no plain name")
        if not _SHA256.fullmatch(digest) or not 0 <= size <= MOST_BYTES:
            raise ValueError(f"{name} without a sha256 and a size up to {MOST_BYTES:,} bytes")
    for shape in (contract.input_shape, contract.features):
        if not 1 <= len(shape) <= 4 or min(shape) < 1 or math.prod(shape) > MOST_NUMBERS:
            raise ValueError("a shape without sizes, or beyond what a record has")
    numbers = [contract.clip, contract.noise, contract.parity[0], *_check_variant(contract)]
    if not all(map(math.isfinite, numbers + [column.mean for column in contract.columns])):
        raise ValueError("a number that is not finite")
    if contract.modality == "table" and len(contract.columns) != contract.input_shape[0]:
        raise ValueError("another number of columns than its shape says")
    if (
        RECORD_DTYPES.get(contract.modality) != contract.input_type
        or contract.output_type != "float32"
    ):
        raise ValueError("a modality or a type that no release has")


def _check_variant(contract: Contract) -> tuple[float, ...]:
    """Its numbers, which must be finite too."""
    variant = contract.variant
    if variant is None:
        return ()
    if variant.name not in VARIANTS or not _SHA256.fullmatch(variant.of):
        raise ValueError("a variant that no release has")
    return variant.max_abs, variant.mean_abs


def _shape(tensor: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one record: what follows the batch."""
    return tuple(int(size) for size in tensor["shape"][1:])
