"""What a device sends to a collector: features of some records, for one released version.

A batch is a JSON object. Its id is the sha256 of its bytes, so that the same batch has the same id
however often it is sent. It names nobody and nothing: a contributor is a random number that the
device made, a record's id is a keyed hash of its name whose key stays on the device.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tiprdc.errors import DataError, ReleaseError
from tiprdc.formats.decoding import Sha256
from tiprdc.formats.manifest import OutputTensor
from tiprdc.formats.release_statement import Release

MOST_BODY = 2**23
"""Bytes of a batch that any collector reads."""
MOST_RECORDS = 1024
"""Records of a batch."""
_USUAL_BODY = 2**20
"""Bytes of a batch that a device aims at: what is lost when a connection breaks."""
_RECORD_ID_BYTES = 16

Contributor = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]
"""32 random bytes in hex, made by the device; whoever knows them can delete what they sent."""
RecordId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", min_length=32, max_length=32)]


class AcceptedRelease(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one version whose features a collector takes.

    Args:
        artifact: Name in the registry.
        version: "v1.2.0".
        model_sha256: Digest of the ONNX file.
        output: Shape, type, range and codes of features.
    """

    artifact: str
    version: str
    model_sha256: Sha256
    output: OutputTensor

    @property
    def name(self) -> str:
        """ "extractor@v1.2.0"."""
        return f"{self.artifact}@{self.version}"

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one record's features."""
        return tuple(int(size) for size in self.output.shape[1:])

    @property
    def limit(self) -> float:
        """Largest absolute feature; infinite where the release states none."""
        output = self.output
        unbounded = not output.clip or output.codes or (output.noise and not output.bits)
        return math.inf if unbounded else output.clip

    @property
    def records_per_batch(self) -> int:
        """Records that a device puts into one batch; 0 if not even one fits into a body."""
        if self._record_bytes > MOST_BODY // 2:
            return 0
        return max(1, min(MOST_RECORDS, _USUAL_BODY // self._record_bytes))

    @property
    def most_body(self) -> int:
        """Bytes of a body that a collector reads: what `MOST_RECORDS` take twice, for spaces."""
        return min(MOST_BODY, 2 * MOST_RECORDS * self._record_bytes)

    @property
    def _record_bytes(self) -> int:
        # base64 has 4 characters for 3 bytes; an id and a code take less than 64.
        return math.prod(self.features) * 4 * 4 // 3 + 64


class FeatureBatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features of B records of one contributor.

    Args:
        artifact, version, model_sha256: Of the release that made them.
        contributor: Who sends them.
        ids: B different ids of records.
        dtype: Of the features.
        shape: B, then the shape of one record's features.
        features: Row by row, little-endian; base64 in JSON.
        codes: Number of each record's code, for a release with codes; else null.
    """

    artifact: Annotated[str, Meta(max_length=100)]
    version: Annotated[str, Meta(max_length=40)]
    model_sha256: Sha256
    contributor: Contributor
    ids: Annotated[tuple[RecordId, ...], Meta(min_length=1, max_length=MOST_RECORDS)]
    dtype: Literal["float32"]
    shape: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=2, max_length=5)]
    features: bytes
    codes: (
        Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(max_length=MOST_RECORDS)] | None
    ) = None


class Deletion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contributor's request to delete all that it sent."""

    contributor: Contributor


def accepted_release(release: Release) -> AcceptedRelease:
    """What a collector takes for a released version.

    Raises:
        ReleaseError: The statement describes no features.
        DataError: Features of one record are larger than a batch may be.
    """
    try:
        output = msgspec.convert(release.output, OutputTensor)
    except msgspec.ValidationError:
        raise ReleaseError(release.name, "its statement describes no features") from None
    accepted = AcceptedRelease(
        artifact=release.artifact,
        version=release.version,
        model_sha256=release.model_sha256,
        output=output,
    )
    if not accepted.records_per_batch:
        raise DataError(release.name, "features of one record are larger than a batch may be")
    return accepted


def batch_id(body: bytes) -> str:
    """Id of a batch: the sha256 of its bytes, 64 hex digits."""
    return hashlib.sha256(body).hexdigest()


def public_name(contributor: str) -> str:
    """The name under which a collector keeps a contributor, 64 hex digits.

    Who reads the collected features learns no contributor, and can delete or add nothing for it.
    """
    return hashlib.sha256(b"tiprdc contributor\0" + bytes.fromhex(contributor)).hexdigest()


def pack_ids(ids: tuple[str, ...]) -> bytes:
    """Record ids as bytes, 16 each."""
    return bytes.fromhex("".join(ids))


def unpack_ids(data: bytes) -> list[str]:
    """The inverse of `pack_ids`."""
    text, width = data.hex(), 2 * _RECORD_ID_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)]


def json_schema(model: type[Struct]) -> dict[str, Any]:
    """A model's JSON Schema in one piece, for OpenAPI."""
    _, definitions = msgspec.json.schema_components([model])
    schema: dict[str, Any] = definitions[model.__name__]
    return schema
