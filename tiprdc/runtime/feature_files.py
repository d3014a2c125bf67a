"""Writes the features of many records as one .npz or .parquet file, part by part and atomically.

.npz       ids [N] str, features [N, ...] float32, model_sha256 str; `np.load` reads it
.parquet   id, features (a list of fixed size); the file's metadata has model_sha256 and shape
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ConfigError
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.writable import require_writable

SUFFIXES = (".npz", ".parquet")


def check_output(path: Path) -> None:
    """Check before hours of work that the output can be written; make its folder.

    Raises:
        ConfigError: Another ending, no pyarrow for Parquet, or no folder that can be written to.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError("--out", str(path), f"a name that ends in {' or '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        try:
            import pyarrow as pa  # noqa: F401
        except ImportError:
            raise ConfigError(
                "--out", "Parquet needs pyarrow, which is not installed",
                hint="pip install pyarrow, or name a .npz file",
            ) from None  # fmt: skip
    require_writable(path.parent)
    if path.is_dir():
        raise ConfigError("--out", f"{path} is a folder", "the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)


def write_features(
    path: Path,
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
) -> None:
    """Write all features; the file appears complete, or stays as it was.

    Args:
        path: `.npz` or `.parquet`, accepted by `check_output`.
        ids: Names of N records, in order.
        parts: Their features in the same order, `[n, *shape]` each, N rows together.
        shape: Shape of one record's features.
        model_sha256: Digest of the ONNX file that made them.
    """
    write = _write_npz if path.suffix == ".npz" else _write_parquet
    with atomic_file(path) as file:
        write(file, ids, parts, shape, model_sha256)


def _write_npz(
    file: IO[bytes],
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
) -> None:
    # np.savez would need all features in memory at once.
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("features.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(ids), *shape)}
            np.lib.format.write_array_header_1_0(member, header)
            for part in parts:
                member.write(part.astype("<f4", copy=False).tobytes())
        for name, value in (("ids", np.array(ids, dtype=np.str_)), ("model_sha256", model_sha256)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


def _write_parquet(
    file: IO[bytes],
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = int(np.prod(shape))
    metadata = {"model_sha256": model_sha256, "shape": json.dumps(shape)}
    fields: list[Any] = [("id", pa.string()), ("features", pa.list_(pa.float32(), width))]
    schema = pa.schema(fields, metadata=metadata)
    start = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in parts:
            names = pa.array(list(ids[start : start + len(part)]), pa.string())
            values = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), width)
            writer.write_table(pa.table([names, values], schema=schema))
            start += len(part)
