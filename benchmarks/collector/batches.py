"""Batches of made-up features, valid and broken in every way that a collector must refuse."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.collector.server import FEATURES, RELEASE


def document(
    records: int = 8, contributor: str | None = None, seed: int | None = None
) -> dict[str, Any]:
    """A valid batch as JSON has it.

    Args:
        records: How many.
        contributor: 64 hex digits; None: a new one.
        seed: Of features and ids; None: others every time.
    """
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1, 1, (records, FEATURES)).astype("<f4")
    return {
        "artifact": RELEASE.artifact,
        "version": RELEASE.version,
        "model_sha256": RELEASE.model_sha256,
        "contributor": contributor or secrets.token_hex(32),
        "ids": [rng.bytes(16).hex() for _ in range(records)],
        "dtype": "float32",
        "shape": [records, FEATURES],
        "features": base64.b64encode(z.tobytes()).decode(),
    }


def encode(batch: object) -> bytes:
    """A batch's bytes."""
    return json.dumps(batch).encode()


def changed(**keys: Any) -> Callable[[dict[str, Any]], object]:
    """Replaces keys of a batch."""
    return lambda batch: {**batch, **keys}


def without(key: str) -> Callable[[dict[str, Any]], object]:
    """Leaves a key out."""
    return lambda batch: {name: value for name, value in batch.items() if name != key}


def features(z: Any) -> str:
    """Base64 of an array."""
    return base64.b64encode(np.asarray(z).tobytes()).decode()


def _with_value(value: float) -> str:
    z = np.zeros((8, FEATURES), "<f4")
    z[3, 5] = value
    return features(z)


_ZEROS = np.zeros((8, FEATURES), "<f4")

BAD: dict[str, tuple[int, Callable[[dict[str, Any]], object]]] = {
    "another artifact": (409, changed(artifact="extractor-int8")),
    "another version": (409, changed(version="v1.0.1")),
    "another model": (409, changed(model_sha256="cd" * 32)),
    "a digest in capitals": (422, changed(model_sha256="AB" * 32)),
    "a contributor that is a name": (422, changed(contributor="../../etc/passwd")),
    "a short contributor": (422, changed(contributor="ab" * 31)),
    "a contributor and a line": (422, changed(contributor="ab" * 32 + "\n")),
    "no record": (422, changed(ids=[], shape=[0, FEATURES], features="")),
    "an id that is a name": (422, changed(ids=["holiday.jpg"] * 8)),
    "an id twice": (422, changed(ids=["ab" * 16] * 8)),
    "fewer ids": (422, changed(ids=["ab" * 16])),
    "too many records": (
        422,
        changed(ids=[f"{n:032x}" for n in range(1025)], shape=[1025, FEATURES]),
    ),
    "another type": (422, changed(dtype="float64", features=features(_ZEROS.astype("<f8")))),
    "a pickled object": (422, changed(dtype="object")),
    "another width": (422, changed(shape=[8, FEATURES + 1])),
    "a flat shape": (422, changed(shape=[8 * FEATURES])),
    "a huge shape": (422, changed(shape=[8, 2**62])),
    "a negative shape": (422, changed(shape=[8, -FEATURES])),
    "fewer bytes": (422, changed(features=features(_ZEROS[:7]))),
    "more bytes": (422, changed(features=features(np.zeros((9, FEATURES), "<f4")))),
    "no base64": (422, changed(features="%%%")),
    "numbers in place of base64": (422, changed(features=[0.0] * 8 * FEATURES)),
    "NaN": (422, changed(features=_with_value(float("nan")))),
    "infinity": (422, changed(features=_with_value(float("-inf")))),
    "beyond the range": (422, changed(features=_with_value(8.1))),
    "codes without a codebook": (422, changed(codes=[0] * 8)),
    "an unknown key": (422, changed(name="Alice")),
    "no contributor": (422, without("contributor")),
    "no features": (422, without("features")),
    "null": (422, lambda batch: None),
    "a list": (422, lambda batch: [batch]),
    "a number": (422, lambda batch: 1e308),
}
"""Kind -> the status that it gets, and what makes it of a valid batch."""

BAD_BYTES: dict[str, tuple[int, bytes]] = {
    "no body": (422, b""),
    "not JSON": (422, b"{" * 1000),
    "nested deeply": (422, b"[" * 100_000),
    "not UTF-8": (422, b'{"artifact": "\xff"}'),
    "a huge number": (422, b'{"shape": [1e999]}'),
    "an .npz file": (422, b"PK\x03\x04" + bytes(64)),
    "a pickle": (422, b"\x80\x04\x95" + bytes(64)),
    "too large": (413, b" " * (2**23 + 1)),
}
"""Kind -> the status that it gets, and the body."""
