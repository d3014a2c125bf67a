"""Vectors as columns of a table: lists of Parquet and .npy files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.tables.vector_names import collapse_vectors
from tiprdc.errors import DataError

VECTORS = np.random.default_rng(0).normal(size=(8, 3))


def write(path: Path, column: Any, **changes: Any) -> ManifestReader:
    labels = {"gender": ["f", "m"] * 4, "rich": ["a", "a", "b", "b"] * 2, "age": range(8)}
    pq.write_table(pa.table({**labels, "emb": column}), path / "people.parquet")
    settings: dict[str, Any] = {"modality": "table", "x": ("emb",), **changes}
    return ManifestReader(
        ManifestConfig(
            path=str(path / "people.parquet"), root=str(path), private=("gender",),
            utility=("rich",), split=None, **settings,
        )
    )  # fmt: skip


def write_files(path: Path) -> list[str]:
    for number, vector in enumerate(VECTORS):
        np.save(path / f"{number}.npy", vector)
    return [f"{number}.npy" for number in range(len(VECTORS))]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.list_(pa.float64(), 3), pa.large_list(pa.float64())]
)
def test_lists_become_columns(tmp_path: Path, kind: Any) -> None:
    reader = write(tmp_path, pa.array(VECTORS.tolist(), kind), x=("age", "emb"))
    records = reader.index().records
    fitted = reader.fit(records)
    assert [c.name for c in fitted.columns] == ["age", "emb[0]", "emb[1]", "emb[2]"]
    assert fitted.columns[1].mean == pytest.approx(VECTORS[:, 0].mean())
    x = reader.read(records.iloc[2:5], fitted).x
    np.testing.assert_array_equal(x[:, 1:], VECTORS[2:5].astype(np.float32))
    assert fitted.shape == (4,)


@pytest.mark.parametrize("modality", ["auto", "table"])
def test_a_column_of_lists_alone_is_read_as_vectors(tmp_path: Path, modality: str) -> None:
    reader = write(tmp_path, VECTORS.tolist(), modality=modality)
    records = reader.index().records
    assert reader.modality == "table"
    x = reader.read(records, reader.fit(records)).x
    np.testing.assert_array_equal(x, VECTORS.astype(np.float32))


@pytest.mark.parametrize("modality", ["auto", "table"])
def test_files_become_columns(tmp_path: Path, modality: str) -> None:
    reader = write(tmp_path, write_files(tmp_path), modality=modality)
    records = reader.index().records
    x = reader.read(records, reader.fit(records)).x
    np.testing.assert_array_equal(x, VECTORS.astype(np.float32))


def test_columns_of_a_release_mean_the_vector_where_the_data_have_it() -> None:
    names = ["age", "emb[0]", "emb[1]"]
    assert collapse_vectors(names, {"age", "emb"}) == ("age", "emb")
    assert collapse_vectors(names, {"age", "emb[0]", "emb[1]"}) == tuple(names)
    assert collapse_vectors(names, {"age"}) == tuple(names)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1.0, 2.0]] * 7 + [[1.0]], "2 different lengths, 1 to 2 numbers"),
        ([[1.0, 2.0]] * 7 + [None], "has no vector in 1 of 8 rows"),
        ([[1.0, 2.0]] * 7 + [[7.25, float("inf")]], "beyond float32 in 1 rows"),
        ([[1.0, 2.0]] * 7 + [[7.25, 1e39]], "beyond float32 in 1 rows"),
        ([[1.0, 2.0]] * 7 + [[7.25, None]], "beyond float32 in 1 rows"),
        ([[]] * 8, "has vectors of 0 numbers"),
    ],
)
def test_lists_that_are_no_vectors_are_refused(
    tmp_path: Path, values: list[Any], words: str
) -> None:
    with pytest.raises(DataError) as error:
        write(tmp_path, pa.array(values, pa.list_(pa.float64()))).index()
    assert words in str(error.value)
    assert "7.25" not in str(error.value)


def test_nested_lists_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'emb' contains lists"):
        write(tmp_path, [[[1.0]]] * 8).index()


def test_files_that_are_no_vectors_are_counted_by_reason(tmp_path: Path) -> None:
    names = write_files(tmp_path)
    (tmp_path / "0.npy").write_bytes(b"no array")
    (tmp_path / "1.npy").unlink()
    np.save(tmp_path / "2.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.save(tmp_path / "3.npy", VECTORS)
    with pytest.raises(DataError) as error:
        write(tmp_path, [*names[:-1], "../7.npy"]).index()
    message = str(error.value)
    assert "5 files that cannot be read (2 that are damaged or hold no numbers;" in message
    assert "1 that do not exist; 1 that are no vectors of numbers; 1 outside the root" in message
    assert ": row 1, row 2, row 3, row 4, row 8" in message
