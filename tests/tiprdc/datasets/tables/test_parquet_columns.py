"""Parquet as text: every Arrow type becomes the text of a CSV, or keeps its type; none a repr."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiprdc.datasets.tables.parquet_columns import describe_type, is_text, read_parquet
from tiprdc.errors import DataError

DAY = dt.date(2020, 1, 31)


def column(tmp_path: Path, values: Any, kind: Any) -> Any:
    array = values if isinstance(values, pa.Array) else pa.array(values, kind)
    pq.write_table(pa.table({"x": array}), tmp_path / "a.parquet")
    return read_parquet(tmp_path / "a.parquet", "path")["x"]


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([1.0, None, float("inf")], pa.float64(), ["1.0", None, "inf"]),
        ([1.0, None, 3.0], pa.float32(), ["1", None, "3"]),
        ([0.1, 1e300, float("nan")], pa.float64(), ["0.1", "1e+300", None]),
        ([1e20, 2.0, None], pa.float64(), ["1e+20", "2.0", None]),
        ([2**63, 1, None], pa.uint64(), ["9223372036854775808", "1", None]),
        ([decimal.Decimal("1.50"), None], pa.decimal128(9, 2), ["1.50", None]),
        ([DAY, None], pa.date32(), ["2020-01-31", None]),
        (
            [dt.datetime(9999, 1, 1, tzinfo=dt.UTC)],
            pa.timestamp("us", "UTC"),
            ["9999-01-01 00:00:00.000000Z"],
        ),
        ([dt.time(1, 2), None], pa.time32("s"), ["01:02:00.000", None]),
        (["a", None, "a"], pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"]),
        ([7, None], pa.dictionary(pa.int8(), pa.int64()), ["7", None]),
        (["x", "NA"], pa.large_string(), ["x", None]),
        ([True, None], pa.bool_(), ["True", None]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_plain_types_become_text(
    tmp_path: Path, values: list[Any], kind: Any, texts: list[str | None]
) -> None:
    read = column(tmp_path, values, kind)
    assert is_text(read)
    assert read.astype(object).where(read.notna(), None).tolist() == texts


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ([b"\xff\xd8", b"abc"], pa.binary(), "bytes"),
        ([b"ab", b"cd"], pa.binary(2), "bytes"),
        ([{"bytes": b"\xff"}], pa.struct({"bytes": pa.binary()}), "structs"),
        ([[1.0, 2.0], None], pa.list_(pa.float64()), "lists"),
        ([[1.0, 2.0]], pa.list_(pa.float64(), 2), "lists"),
        ([[("a", 1)]], pa.map_(pa.string(), pa.int64()), "maps"),
        ([dt.timedelta(1)], pa.duration("s"), "durations"),
    ],
)  # fmt: skip
def test_other_types_are_never_text(
    tmp_path: Path, values: list[Any], kind: Any, words: str
) -> None:
    read = column(tmp_path, values, kind)
    assert not is_text(read)
    assert describe_type(read) == words


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="two columns named 'a'"):
        read_parquet(tmp_path / "a.parquet", "path")


def test_folder_names_add_no_column(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    pq.write_table(pa.table({"x": ["a"]}), tmp_path / "year=2020" / "a.parquet")
    assert list(read_parquet(tmp_path / "year=2020" / "a.parquet", "path").columns) == ["x"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_rows_that_are_not_utf8_are_named_without_their_content(tmp_path: Path, kind: Any) -> None:
    cells = pa.array([b"one", None, b"Anna \xff", b"two"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 4, cells.buffers())
    if kind == pa.large_string():
        large = cells.cast(pa.large_binary())
        text = pa.Array.from_buffers(kind, 4, large.buffers())
    pq.write_table(pa.table({"post": text}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="1 rows that are not UTF-8 in column 'post': row 3") as got:
        read_parquet(tmp_path / "a.parquet", "path")
    assert "Anna" not in str(got.value)
