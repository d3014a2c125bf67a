"""Features of records by a frozen encoder, computed once: a folder of shards of vectors.

The folder's name is a digest of the encoder, of how it is run and of the shards. Each shard is
written as a whole, so that a killed run goes on with the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import (
    Column,
    Records,
    Schema,
    Split,
    encode_shard,
    read_shard,
    read_split,
    record_numbers,
    shard_files,
    write_schema,
)
from tiprdc.datasets.tables.vector_names import element_names
from tiprdc.encoders.encoder import Encoder
from tiprdc.errors import ModelError
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.files import sha256

_MIN_STD = 1e-6
"""Features with a smaller standard deviation, as a share of their size, are constant."""


def encode_shards(
    encoder: Encoder,
    shards: Path,
    schema: Schema,
    cache: Path,
    progress: Callable[[float], None],
    splits: Sequence[Split] = ("extractor-train",),
) -> Path:
    """Write the features of every record, unless they are there.

    Args:
        encoder: The encoder.
        shards: Folder of `prepare`.
        schema: Its schema.
        cache: Folder of such folders.
        progress: Called with the share of the records that is done.
        splits: Which; extractor-train is among them.

    Returns:
        A folder of shards whose records are vectors, with a copy of the encoder.

    Raises:
        ModelError: The encoder fails, or its features cannot be used.
    """
    key = hashlib.sha256(msgspec.json.encode(encoder.document) + schema.digest.encode())
    folder = cache / key.hexdigest()[:16]
    files = [(split, file) for split in splits for file in shard_files(shards, split)]
    for number, (split, file) in enumerate(files, 1):
        target = folder / split / file.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            records = read_shard(file, schema)
            vectors = Records(encoder.features(records.x), records.labels, records.person)
            with atomic_file(target) as stream:
                stream.write(encode_shard(vectors))
        progress(number / len(files))
    if not (folder / "schema.json").exists():
        encoder.store(folder)
        _write_schema(encoder, folder, schema)
    return folder


def _write_schema(encoder: Encoder, folder: Path, schema: Schema) -> None:
    files = shard_files(folder, "extractor-train")
    width = record_numbers(files[0])
    vectors = replace(schema, modality="table", shape=(width,))
    x = read_split(folder, vectors, "extractor-train").x
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    _refuse_constant(encoder, x, std)
    names = element_names("feature", width)
    columns = tuple(
        Column(name=name, mean=float(m), std=float(s))
        for name, m, s in zip(names, mean, std, strict=True)
    )
    digests = [f"{file.name} {sha256(file)}" for file in files]
    write_schema(folder, replace(vectors, columns=columns), digests)


def _refuse_constant(encoder: Encoder, x: NDArray[np.float32], std: NDArray[np.float64]) -> None:
    if (std <= _MIN_STD * max(float(np.abs(x).max()), 1e-30)).all():
        raise ModelError(
            encoder.where, f"the same features for each of {len(x):,} records",
            "features that differ between records",
            "check train.encoder.pixels, or name another output with train.encoder.output",
        )  # fmt: skip
