"""Writes the features of many records as one .npz or .parquet file, part by part; reads it again.

.npz       ids [N] str, features [N, ...] float32, model_sha256 str; `np.load` reads it
.parquet   id, features (a list of fixed size); the file's metadata has model_sha256 and shape

Of a release with codes both have the number of each record's code too: codes [N] int64, or the
column code.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.atomic import atomic_file
from tiprdc.formats.writable import require_writable

SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True)
class FeatureRows:
    """Names `[n]`, features `[n, *shape]` float32, and codes `[n]` int64 or None of n records."""

    ids: list[str]
    features: NDArray[np.float32]
    codes: NDArray[np.int64] | None


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
    codes: NDArray[np.int64] | None = None,
) -> None:
    """Write all features; the file appears complete, or stays as it was.

    Args:
        path: `.npz` or `.parquet`, accepted by `check_output`.
        ids: Names of N records, in order.
        parts: Their features in the same order, `[n, *shape]` each, N rows together.
        shape: Shape of one record's features.
        model_sha256: Digest of the ONNX file that made them.
        codes: `[N]`, of a release with codes.
    """
    write = _write_npz if path.suffix == ".npz" else _write_parquet
    with atomic_file(path) as file:
        write(file, ids, parts, shape, model_sha256, codes)


def read_features(path: Path, size: int) -> Iterator[FeatureRows]:
    """Read a file of `write_features` in pieces of `size` records, the last one smaller.

    Raises:
        DataError: It cannot be read, or is no such file.
    """
    read = _read_npz if path.suffix == ".npz" else _read_parquet
    try:
        yield from read(path, size)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        given = f"cannot be read ({type(error).__name__})"
        raise DataError(str(path), given, "a file that `tiprdc extract` wrote") from None


def read_ids(path: Path) -> list[str]:
    """Names of the records in a file of `write_features`; their features are not read."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            names: list[str] = _array(archive, "ids").tolist()
        return names
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return list(file.read(columns=["id"])["id"].to_pylist())


def _write_npz(
    file: IO[bytes],
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
    codes: NDArray[np.int64] | None,
) -> None:
    # np.savez would need all features in memory at once.
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("features.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(ids), *shape)}
            np.lib.format.write_array_header_1_0(member, header)
            for part in parts:
                member.write(part.astype("<f4", copy=False).tobytes())
        arrays = {"ids": np.array(ids, dtype=np.str_), "model_sha256": np.array(model_sha256)}
        if codes is not None:
            arrays["codes"] = codes
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, value, allow_pickle=False)


def _write_parquet(
    file: IO[bytes],
    ids: Sequence[str],
    parts: Iterable[NDArray[np.float32]],
    shape: tuple[int, ...],
    model_sha256: str,
    codes: NDArray[np.int64] | None,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = int(np.prod(shape))
    metadata = {"model_sha256": model_sha256, "shape": json.dumps(shape)}
    fields: list[Any] = [("id", pa.string()), ("features", pa.list_(pa.float32(), width))]
    if codes is not None:
        fields.append(("code", pa.int64()))
    schema = pa.schema(fields, metadata=metadata)
    start = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in parts:
            names = pa.array(list(ids[start : start + len(part)]), pa.string())
            values = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), width)
            columns = [names, values]
            if codes is not None:
                columns.append(pa.array(codes[start : start + len(part)], pa.int64()))
            writer.write_table(pa.table(columns, schema=schema))
            start += len(part)


def _read_npz(path: Path, size: int) -> Iterator[FeatureRows]:
    with zipfile.ZipFile(path) as archive:
        ids = _array(archive, "ids").tolist()
        codes = _array(archive, "codes") if "codes.npy" in archive.namelist() else None
        # np.load would need all features in memory at once.
        with archive.open("features.npy") as member:
            np.lib.format.read_magic(member)
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
            if dtype != np.dtype("<f4") or shape[0] != len(ids):
                raise ValueError("another layout")
            for start in range(0, len(ids), size):
                names = ids[start : start + size]
                data = member.read(4 * len(names) * int(np.prod(shape[1:])))
                features = np.frombuffer(data, "<f4").reshape(len(names), *shape[1:])
                some = None if codes is None else codes[start : start + size]
                yield FeatureRows(names, features, some)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _read_parquet(path: Path, size: int) -> Iterator[FeatureRows]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        shape = json.loads(file.schema_arrow.metadata[b"shape"])
        for batch in file.iter_batches(size):
            values = batch["features"].flatten().to_numpy(zero_copy_only=False)
            codes = batch["code"].to_numpy() if "code" in batch.schema.names else None
            yield FeatureRows(batch["id"].to_pylist(), values.reshape(-1, *shape), codes)
