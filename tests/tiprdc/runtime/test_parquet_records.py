"""Parquet on a device: the records that `prepare` would read, and a reason for every other row."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tests.helpers.pictures import striped
from tests.helpers.release_samples import write_release
from tiprdc.datasets.images import read_image
from tiprdc.datasets.tables.columns import encode_column, fit_column
from tiprdc.datasets.tables.dialect import Dialect
from tiprdc.datasets.tables.parquet_columns import read_parquet
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.manifest import Contract, InputColumn, read_contract
from tiprdc.runtime import parquet_table
from tiprdc.runtime.record_source import RecordSource
from tiprdc.runtime.records import open_records

ROOT = Path(__file__).parents[3]


def contract_of(tmp_path: Path, modality: str) -> Contract:
    return read_contract(write_release(tmp_path / "release", modality) / "manifest.json")


def with_columns(contract: Contract, *columns: InputColumn) -> Contract:
    shape = ("batch", len(columns))
    return replace(contract, input=replace(contract.input, columns=columns, shape=shape))


def numeric(name: str) -> InputColumn:
    return InputColumn(name=name, categories=(), mean=7.0, std=1.0)


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    striped((16, 16), (shade, 90, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def read_all(records: RecordSource) -> tuple[Any, dict[str, str]]:
    x, positions, failures = records.read(0, len(records))
    assert sorted([*positions, *failures]) == list(range(len(records)))
    return x, {failure.id: failure.reason for failure in failures.values()}


FILES = [picture(10), None, b"no picture", picture(90), picture(200), picture(250)]


@pytest.mark.parametrize("form", ["bytes", "structs"])
def test_pictures_are_those_that_prepare_reads(tmp_path: Path, form: str) -> None:
    files = pa.array(FILES, pa.binary())
    names = pa.array([f"{n}.png" for n in range(6)])
    structs = pa.StructArray.from_arrays([files, names], names=["bytes", "path"])
    path = write(tmp_path / "in.parquet", image=structs if form == "structs" else files, who=names)
    records = open_records(path, contract_of(tmp_path, "image"), id_column="who")
    x, reasons = read_all(records)
    assert reasons == {"1.png": "no bytes of a picture in its cell", "2.png": "not a picture"}
    for row, data in enumerate(FILES[n] for n in (0, 3, 4, 5)):
        np.testing.assert_array_equal(x[row], read_image(data or b"", 8))


def test_column_of_pictures_is_named_where_several_may_be(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, "image")
    path = write(tmp_path / "in.parquet", photo=[picture(9)], thumb=[picture(7)], age=[30])
    with pytest.raises(ConfigError, match=r"--column: not given(.|\n)*photo, thumb"):
        open_records(path, contract)
    x, _ = read_all(open_records(path, contract, column="thumb"))
    np.testing.assert_array_equal(x[0], read_image(picture(7), 8))
    with pytest.raises(DataError, match="column 'age' contains values that are no text"):
        open_records(path, contract, column="age")
    with pytest.raises(DataError, match="did you mean 'photo'"):
        open_records(path, contract, column="foto")


def test_rows_in_any_order_of_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "_ROWS", 3)
    contract = with_columns(contract_of(tmp_path, "table"), numeric("age"))
    records = open_records(write(tmp_path / "in.parquet", age=list(range(30))), contract)
    for start, stop in ((0, 7), (7, 8), (20, 30), (3, 9), (9, 99), (29, 30), (5, 5)):
        x, positions, _ = records.read(start, stop)
        assert np.asarray(x)[:, 0].tolist() == positions.tolist() == [*range(30)][start:stop]


def test_texts_come_from_a_column(tmp_path: Path) -> None:
    broken = pa.array([b" one ", b"", None, b"\xff", b"NA", b"two"]).cast(pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 6, broken.buffers())
    contract = contract_of(tmp_path, "text")
    path = write(tmp_path / "in.parquet", post=texts, number=[1.0, 2.0, None, 4.0, 5.0, 6.0])
    x, reasons = read_all(open_records(path, contract, column="post", id_column="number"))
    empty = "an empty text"
    assert (x, reasons) == (
        ["one", "two"], {"2": empty, "row 3": empty, "4": "not UTF-8", "5": empty},
    )  # fmt: skip
    with pytest.raises(ConfigError, match="--column: not given"):
        open_records(path, contract)
    lists = write(tmp_path / "lists.parquet", post=[[1.0]])
    with pytest.raises(DataError, match="column 'post' contains lists"):
        open_records(lists, contract, column="post")


@pytest.mark.parametrize(
    ("values", "categorical"),
    [
        (pa.array([1.0, 2.5, None, 4.0]), False),
        (pa.array([1.0, 2.5, 1.0, None]), True),
        (pa.array([1.0, 2.0, 1.0, None]), True),
        (pa.array([3, 4, None, 2**40]), False),
        (pa.array(["1,5", "2", "N/A", " 3 "]), False),
        (pa.array([" a", "b ", "NA", "a"]).dictionary_encode(), True),
        (pa.array([True, False, None, True]), True),
    ],
)
def test_cells_are_encoded_as_for_training(tmp_path: Path, values: Any, categorical: bool) -> None:
    path = write(tmp_path / "in.parquet", c=values)
    text = read_parquet(path, "path")["c"]
    decimal = "," if pa.types.is_string(values.type) else "."
    fitted = fit_column("c", text, "x", categorical=categorical, decimal=decimal)
    column = InputColumn(name="c", categories=fitted.categories, mean=fitted.mean, std=fitted.std)
    contract = with_columns(contract_of(tmp_path, "table"), column)
    dialect = Dialect(decimal=decimal)
    expected = encode_column(fitted, text, decimal)
    x, reasons = read_all(open_records(path, contract, dialect=dialect))
    assert reasons == {}
    np.testing.assert_array_equal(x[:, 0], expected)
    # A device may have one record: its category is not another because it stands alone.
    one = write(tmp_path / "one.parquet", c=values.slice(0, 1))
    np.testing.assert_array_equal(
        read_all(open_records(one, contract, dialect=dialect))[0][:, 0], expected[:1]
    )


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.int64())]
)
def test_vectors_are_columns_of_the_release(tmp_path: Path, kind: Any) -> None:
    names = [*(f"emb[{n}]" for n in range(12)), "age"]
    contract = with_columns(contract_of(tmp_path, "table"), *map(numeric, names))
    vectors = [[*range(n, n + 12)] for n in range(6)]
    path = write(tmp_path / "in.parquet", age=[*range(6)], emb=pa.array(vectors, kind))
    x, reasons = read_all(open_records(path, contract))
    assert (x[:, :12].tolist(), x[:, 12].tolist(), reasons) == (vectors, [*range(6)], {})


def test_row_without_a_usable_vector_has_a_reason(tmp_path: Path) -> None:
    contract = with_columns(contract_of(tmp_path, "table"), numeric("e[0]"), numeric("e[1]"))
    vectors = [[1.0, 2.0], None, [1.0], [1.0, None], [1e39, 0.0], [float("inf"), 0], [3.0, 4.0]]
    x, reasons = read_all(open_records(write(tmp_path / "in.parquet", e=vectors), contract))
    unfit = "e: a number that is missing, infinite or beyond float32"
    assert x.tolist() == [[1, 2], [3, 4]]
    assert reasons == {
        "2": "e: no vector", "3": "e: a vector of 1 numbers, not 2", "4": unfit, "5": unfit,
        "6": unfit,
    }  # fmt: skip
    with pytest.raises(DataError, match="column 'e' contains no lists of numbers"):
        open_records(write(tmp_path / "in.parquet", e=["1 2"]), contract)


def test_row_with_text_for_a_number_fails_alone(tmp_path: Path) -> None:
    contract = with_columns(contract_of(tmp_path, "table"), numeric("age"))
    path = write(tmp_path / "in.parquet", age=["30", "forty", None])
    x, reasons = read_all(open_records(path, contract))
    assert (x.tolist(), reasons) == ([[30], [7]], {"2": "age is not a number"})
    path = write(tmp_path / "in.parquet", age=[30.0, float("inf"), float("nan")])
    x, reasons = read_all(open_records(path, contract))
    assert (x.tolist(), reasons) == ([[30], [7]], {"2": "age is not a number"})


def test_broken_file_is_refused(tmp_path: Path) -> None:
    contract = with_columns(contract_of(tmp_path, "table"), numeric("age"))
    path = write(tmp_path / "in.parquet", age=np.random.default_rng(0).normal(size=4000))
    whole = path.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut.parquet is not a readable Parquet file"):
        open_records(tmp_path / "cut.parquet", contract)
    path.write_bytes(whole[:4] + bytes(20_000) + whole[20_004:])
    with pytest.raises(DataError, match=r"in.parquet is not a readable Parquet file"):
        read_all(open_records(path, contract))
    pd.DataFrame({"age": []}).to_parquet(path)
    with pytest.raises(DataError, match="it has no row"):
        open_records(path, contract)


def test_missing_pyarrow_is_named(tmp_path: Path) -> None:
    """In a process of its own: this one has imported it."""
    path = write(tmp_path / "in.parquet", age=[1])
    write_release(tmp_path / "release", "table")
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from tiprdc.formats.manifest import read_contract\n"
        "from tiprdc.runtime.records import open_records\n"
        f"open_records(Path({str(path)!r}), read_contract(Path({str(tmp_path)!r},"
        " 'release', 'manifest.json')))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert "ConfigError: INPUT: Parquet needs pyarrow, which is not installed" in ended.stderr
    assert "hint: pip install pyarrow" in ended.stderr
