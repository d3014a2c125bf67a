"""Tables of people as CSV, TSV and Parquet, written well or carelessly, whole or damaged."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

MARK = "zqx"
"""Part of every private cell: no message may hold it."""
NAMES = ("who", "gender", "rich", "x")
_PLAIN = "ab \u00e9\u2028'\";|#-_=+"
_PIECES = ("\n", "\r\n", ",", "\t", '"', '""', '"\n', '",', '\t"', "\0", "NA", "1", "\ufeff")


@dataclass(frozen=True)
class TableFile:
    """A file and what is known of it.

    Args:
        name: With the ending.
        data: Its bytes.
        rows: Number of records that a reader must find; None where damage leaves it unknown.
    """

    name: str
    data: bytes
    rows: int | None


@st.composite
def table_files(draw: st.DrawFn) -> TableFile:
    """A file of 8 to 30 people."""
    count = draw(st.integers(8, 30))
    if draw(st.integers(0, 3)) == 0:
        return TableFile("people.parquet", draw(_damage(_parquet(draw, count))), None)
    ending, separator = draw(st.sampled_from([("csv", ","), ("tsv", "\t"), ("csv", ";")]))
    is_quoted = draw(st.booleans())
    letters = st.text(_PLAIN.replace(separator, ""), max_size=8)
    cell = letters if not is_quoted else st.lists(letters | st.sampled_from(_PIECES)).map("".join)
    rows = [
        [f"{MARK}{n}", "fm"[n % 2], "ab"[n // 2 % 2], f"{draw(cell)}{MARK} {draw(cell)}"]
        for n in range(count)
    ]
    header = [list(NAMES)] * draw(st.sampled_from([1, 1, 1, 0]))
    text = _write([*header, *rows], separator, is_quoted=is_quoted)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    data = text.encode(encoding)
    damaged = draw(_damage(data))
    return TableFile(f"people.{ending}", damaged, count if header and damaged == data else None)


def _write(rows: list[list[str]], separator: str, *, is_quoted: bool) -> str:
    """Rows as csv writes them, or as a careless program does, without regard to quotation marks."""
    if not is_quoted:
        return "".join(separator.join(row) + "\n" for row in rows)
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator).writerows(rows)
    return buffer.getvalue()


def _parquet(draw: st.DrawFn, count: int) -> bytes:
    kinds: list[Any] = [
        pa.string(), pa.float64(), pa.float32(), pa.int64(), pa.binary(), pa.list_(pa.float32()),
        pa.struct({"bytes": pa.binary()}), pa.decimal128(9, 2), pa.timestamp("ns"), pa.date32(),
        pa.dictionary(pa.int8(), pa.string()), pa.bool_(), pa.duration("s"), pa.null(),
    ]  # fmt: skip
    plain = pa.array("aabb"[n % 4] for n in range(count))
    odd = [_column(draw, draw(st.sampled_from(kinds)), count) for _ in range(2)]
    labels = [pa.array("fm"[n % 2] for n in range(count)), draw(st.sampled_from([plain, odd[0]]))]
    who = pa.array(f"{MARK}{n}" for n in range(count))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays([who, *labels, odd[1]], names=list(NAMES)), sink)
    return bytes(sink.getvalue().to_pybytes())


def _column(draw: st.DrawFn, kind: Any, count: int) -> Any:
    number = draw(st.sampled_from([0.0, 1.5, float("inf"), float("nan"), 1e300, -1.0]))
    values: dict[Any, list[Any]] = {
        pa.string(): [MARK, "1", "b", None],
        pa.float64(): [number, 1.0, None],
        pa.float32(): [0.5, 1.0, None],
        pa.binary(): [MARK.encode(), b"\xff"],
        pa.list_(pa.float32()): [[1.0, 2.0], None],
        pa.struct({"bytes": pa.binary()}): [{"bytes": MARK.encode()}],
        pa.dictionary(pa.int8(), pa.string()): [MARK, "b"],
        pa.bool_(): [True, False],
        pa.null(): [None],
    }
    chosen = values.get(kind, [0, 1, None])
    return pa.array([chosen[n % len(chosen)] for n in range(count)], kind)


def _damage(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes, mostly whole, else cut, or with some replaced."""
    place = st.integers(0, max(0, len(data) - 1))
    cut = place.map(lambda end: data[:end])
    changed = st.tuples(place, st.binary(max_size=4)).map(
        lambda change: data[: change[0]] + change[1] + data[change[0] + len(change[1]) :]
    )
    return st.just(data) | st.just(data) | cut | changed
