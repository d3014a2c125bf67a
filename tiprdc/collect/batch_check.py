"""Checks a batch against the released version; a refusal quotes no value of it."""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.collect.refusals import Refused
from tiprdc.errors import DataError
from tiprdc.formats.decoding import decode
from tiprdc.formats.feature_batch import AcceptedRelease, FeatureBatch, batch_id

_ROUNDING = 1e-3
"""Share by which a smaller file (int8, fp16) may round a feature beyond its range."""

M = TypeVar("M", bound=msgspec.Struct)


def check_batch(body: bytes, stated_id: str, release: AcceptedRelease) -> FeatureBatch:
    """The batch in a body, if it fits the release in every respect.

    Args:
        body: JSON.
        stated_id: Of the batch, as the sender says.
        release: What is accepted.

    Raises:
        Refused: 400 if its bytes are not those of the id; 409 if it is of another version; 422 if
            it does not fit the release.
    """
    if batch_id(body) != stated_id:
        detail = "the batch's id is not the sha256 of its bytes: a part was lost on the way"
        raise Refused(400, "id", detail)
    batch = parse(body, FeatureBatch)
    _check_release(batch, release)
    count = len(batch.ids)
    if len(set(batch.ids)) != count:
        raise Refused(422, "ids", "a record's id occurs twice in the batch")
    expected = (count, *release.features)
    if batch.shape != expected:
        sizes = ", ".join(map(str, release.features))
        raise Refused(422, "shape", f"expected features of shape [{count}, {sizes}]")
    if len(batch.features) != 4 * math.prod(expected):
        raise Refused(422, "size", "the number of feature bytes differs from the stated shape")
    _check_values(batch, release)
    return batch


def parse(body: bytes, model: type[M]) -> M:
    """A JSON body as a document.

    Raises:
        Refused: 422. It is not JSON, or does not fit the document; the message names the key.
    """
    try:
        return decode(msgspec.json.decode(body), model, "body")
    except DataError as error:
        given = str(error.given)
        # The name of an unknown key is text of the sender.
        given = "an unknown key" if given.startswith("unknown key") else given
        raise Refused(422, "document", f"{error.where}: {given}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(422, "json", "the body is not JSON in UTF-8") from None


def _check_release(batch: FeatureBatch, release: AcceptedRelease) -> None:
    if (batch.artifact, batch.version) != (release.artifact, release.version):
        raise Refused(409, "version", f"this collector takes features of {release.name} alone")
    if batch.model_sha256 != release.model_sha256:
        digest = release.model_sha256[:12]
        raise Refused(409, "model", f"the model is not {digest}..., which is {release.name}")


def _check_values(batch: FeatureBatch, release: AcceptedRelease) -> None:
    """Finite features in their range, and codes that each stand for one vector."""
    z = np.frombuffer(batch.features, "<f4").reshape(len(batch.ids), -1)
    if not np.isfinite(z).all():
        raise Refused(422, "finite", "a feature is not finite")
    limit = release.limit
    if math.isfinite(limit) and np.abs(z).max() > limit * (1 + _ROUNDING):
        raise Refused(422, "range", f"a feature is beyond the release's range, +-{limit:g}")
    codes = release.output.codes
    if (batch.codes is not None) != bool(codes):
        detail = "codes are missing" if codes else "this release has no codes"
        raise Refused(422, "codes", detail)
    if batch.codes is not None:
        _check_codes(batch.codes, z, codes)


def _check_codes(numbers: tuple[int, ...], z: NDArray[np.float32], codes: int) -> None:
    if len(numbers) != len(z):
        raise Refused(422, "codes", "expected one code for each record")
    if max(numbers) >= codes:
        raise Refused(422, "codes", f"a code is not in 0 to {codes - 1}")
    order = np.argsort(numbers, kind="stable")
    same_code = np.diff(np.array(numbers)[order]) == 0
    same_features = (np.diff(z[order], axis=0) == 0).all(axis=1)
    if (same_code & ~same_features).any():
        raise Refused(422, "codes", "two records of one code have different features")
