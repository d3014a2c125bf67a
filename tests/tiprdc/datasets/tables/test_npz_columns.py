"""A .npz file is read as Parquet of the same arrays; what is no table is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.tables.files import read_source
from tiprdc.errors import DataError
from tiprdc.protect.preparation import records_config

VECTORS = np.random.default_rng(0).normal(size=(8, 3))
GENDER = np.array(["f", "m"] * 4)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int8"])
def test_an_array_of_vectors_and_its_columns_are_protected(tmp_path: Path, dtype: str) -> None:
    vectors = (10 * VECTORS).astype(dtype)
    np.savez(tmp_path / "p.npz", emb=vectors, gender=GENDER, person=np.arange(8) // 2)
    request = AuditRequest(
        models=(), data=tmp_path / "p.npz", private=("gender",), person="person"
    )  # fmt: skip
    reader = ManifestReader(records_config(request))
    records = reader.index().records
    assert records["person"].tolist() == ["0", "0", "1", "1", "2", "2", "3", "3"]
    x = reader.read(records, reader.fit(records)).x
    np.testing.assert_array_equal(x, vectors.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"emb": VECTORS, "gender": GENDER.astype(object)}, r"Python objects(.|\n)*dtype=str"),
        ({"emb": VECTORS, "gender": GENDER[:5]}, r"arrays of 5 to 8 rows"),
        ({"emb": VECTORS[None], "gender": GENDER}, r"'emb' is float64 of 1 x 8 x 3"),
        ({"emb": VECTORS, "when": GENDER.astype("S1")}, r"'when' is \|S1 of 8"),
        ({"emb": np.float64(1)}, r"'emb' is float64 of no axes"),
        ({}, r"p\.npz is empty"),
    ],
)
def test_arrays_that_are_no_table_are_refused(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read_source(tmp_path / "p.npz", "data")


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive"])
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.npz").write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_source(tmp_path / "p.npz", "data")


def test_texts_for_labels_as_the_hint_writes_them_are_read(tmp_path: Path) -> None:
    genders = GENDER.astype(object)
    np.savez(tmp_path / "p.npz", vector=VECTORS, gender=np.array(genders, dtype=str))
    assert read_source(tmp_path / "p.npz", "data").table["gender"].tolist() == GENDER.tolist()
