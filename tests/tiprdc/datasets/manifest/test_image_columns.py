"""Pictures inside Parquet columns, and columns that hold none."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tests.helpers.pictures import striped
from tiprdc.datasets.images import read_image
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.image_columns import find_pictures, has_bytes
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.errors import DataError


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    striped((16, 16), (shade, 90, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


FILES = [jpeg(10), None, jpeg(200)]
NAMES = ["a.jpg", "b.jpg", "c.jpg"]


def series(array: pa.Array) -> pd.Series[Any]:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])), index=list("xyz"))


def struct(files: list[bytes | None], **fields: list[str] | list[str | None]) -> pa.Array:
    arrays = [pa.array(files, pa.binary()), *map(pa.array, fields.values())]
    return pa.StructArray.from_arrays(arrays, names=["bytes", *fields])


@pytest.mark.parametrize(
    "array",
    [
        pa.array(FILES, pa.binary()),
        pa.array(FILES, pa.large_binary()),
        struct(FILES, path=NAMES),
        struct(FILES),
    ],
)
def test_files_in_a_column_are_found(array: pa.Array) -> None:
    pictures = find_pictures(series(array))
    assert pictures is not None
    assert has_bytes(pictures)
    assert pictures.index.tolist() == ["x", "y", "z"]
    assert [None if pd.isna(data) else data for data in pictures] == FILES


def test_structs_of_paths_alone_are_paths() -> None:
    names = ["a.jpg", None, "c.jpg"]
    pictures = find_pictures(series(struct([None] * 3, path=names)))
    assert pictures is not None
    assert not has_bytes(pictures)
    assert pictures.where(pictures.notna(), "").tolist() == ["a.jpg", "", "c.jpg"]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([b"x" * 40, b"y", None]),
        pa.array([[1.0, 2.0], [3.0], None]),
        pa.StructArray.from_arrays([pa.array([1, 2, 3])], names=["bytes"]),
        pa.StructArray.from_arrays([pa.array([1, 2, 3])], names=["age"]),
        pa.array([None, None, None], pa.binary()),
    ],
)
def test_other_columns_hold_no_pictures(array: pa.Array) -> None:
    assert find_pictures(series(array)) is None
    assert find_pictures(pd.Series(NAMES, dtype="str")) is None


@pytest.mark.parametrize("kind", ["bytes", "structs"])
def test_manifest_reader_reads_pictures_in_parquet(tmp_path: Path, kind: str) -> None:
    files = [jpeg(shade) for shade in range(10, 250, 30)] + [b"\xff\xd8broken"]
    column = struct([*files], path=[f"{n}.jpg" for n in range(9)])
    image = column if kind == "structs" else pa.array(files)
    sex = pa.array(list("fmfmfmfmf"))
    pq.write_table(pa.table({"image": image, "sex": sex}), tmp_path / "people.parquet")
    config = ManifestConfig(
        path=str(tmp_path / "people.parquet"), root=str(tmp_path / "nowhere"),
        private=("sex",), utility=(), split=None, size=8,
    )  # fmt: skip
    reader = ManifestReader(config)
    records = reader.index().records
    assert reader.modality == "image"
    assert records["record"].tolist()[8] == "row 9"
    # A worker receives the index pickled, in another order.
    shuffled = pickle.loads(pickle.dumps(records.iloc[::-1].reset_index(drop=True)))
    batch = reader.read(shuffled, reader.fit(shuffled))
    assert batch.reasons == {0: "a broken picture"}
    np.testing.assert_array_equal(batch.x[8], read_image(files[0], 8))
    with pytest.raises(DataError) as error:
        ManifestReader(replace(config, modality="text")).index()
    assert "JFIF" not in str(error.value)
