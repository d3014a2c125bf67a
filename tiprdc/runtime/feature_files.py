"""Features of many records as one file, written part by part and put in place at once.

.npz       ids [N] str, features [N, ...] float32, model_sha256 str; `np.load` reads it
.parquet   id, features (a list of fixed size); the file's metadata hold model_sha256 and shape
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ConfigError

SUFFIXES = (".npz", ".parquet")


def check_output(path: Path) -> None:
    """Refuse what cannot be written before hours of work, not after.

    Raises:
        ConfigError: Another ending, no pyarrow for Parquet, or no folder to write to.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError("--output", str(path), f"a name that ends in {' or '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        try:
            import pyarrow as pa  # noqa: F401
        except ImportError:
            raise ConfigError(
                "--output", "Parquet, and pyarrow is not installed", "pyarrow, or a .npz",
                "pip install pyarrow, or name a .npz",
            ) from None  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        given = f"{path.parent} cannot be made ({type(error).__name__})"
        raise ConfigError("--output", given, "a folder") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError("--output", str(path), "a file in a folder that can be written to")


def write_features(
    path: Path,
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
) -> None:
    """Write all features; the file is there whole, or as it was before.

    Args:
        path: `.npz` or `.parquet`, as `check_output` allows.
        ids: Of N records, in order.
        parts: Their features in the same order, `[n, *shape]` each, N rows together.
        shape: Of one record's features.
        model_sha256: Digest of the ONNX file that made them.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    write = _write_npz if path.suffix == ".npz" else _write_parquet
    try:
        with unfinished.open("wb") as file:
            write(file, ids, parts, shape, model_sha256)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_npz(
    file: IO[bytes],
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
) -> None:
    # np.savez would want all features in memory at once.
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
    known = {"model_sha256": model_sha256, "shape": json.dumps(shape)}
    fields: list[Any] = [("id", pa.string()), ("features", pa.list_(pa.float32(), width))]
    schema = pa.schema(fields, metadata=known)
    start = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in parts:
            names = pa.array(list(ids[start : start + len(part)]), pa.string())
            values = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), width)
            writer.write_table(pa.table([names, values], schema=schema))
            start += len(part)
