"""Tables from files: CSV, TSV and Parquet as text, and every way a file can be broken."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pandas as pd
import pytest

from tiprdc.datasets.tables.files import read_source
from tiprdc.errors import DataError

GOOD = b"name,age\nann,3\nbob,4\n"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", GOOD),
        ("a.CSV", GOOD),
        ("a.b.csv", GOOD),
        ("a.csv", b"\xef\xbb\xbf" + GOOD),
        ("a.csv", GOOD.replace(b"\n", b"\r\n")),
        ("a.csv", GOOD.replace(b",", b", ")),
        ("a.tsv", GOOD.replace(b",", b"\t")),
        ("a.csv.gz", gzip.compress(GOOD)),
        ("a.csv.xz", lzma.compress(GOOD)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_text_files_of_every_type_are_read(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    table = read_source(tmp_path / name, "path").table
    assert table.to_dict("list") == {"name": ["ann", "bob"], "age": ["3", "4"]}


def test_parquet_gives_the_texts_of_a_csv(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "n": [1, 2, 3],
            "gap": [1.0, None, 3.0],
            "half": [0.5, 1.0, None],
            "b": [True, False, True],
            "t": ["x", None, "NaN"],
            "s": ["  ", " x ", "y"],
        }
    )
    table.to_parquet(tmp_path / "a.parquet")
    read = read_source(tmp_path / "a.parquet", "path").table
    as_lists = read.astype(object).where(read.notna(), None).to_dict("list")
    assert as_lists == {
        "n": ["1", "2", "3"],
        "gap": ["1", None, "3"],
        "half": ["0.5", "1.0", None],
        "b": ["True", "False", "True"],
        "t": ["x", None, None],
        "s": [None, "x", "y"],
    }


def test_missing_values_are_recognized(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n,NA\nnan,N/A\nnone,?\n")
    table = read_source(tmp_path / "a.csv", "path").table
    assert table["a"].isna().tolist() == [True, True, False]
    assert table["b"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"name,age\n", "a.csv is empty"),
        ("a.csv", b"\n\n", "a.csv is empty"),
        ("a.csv", "n\nJos\xe9\n".encode("latin1"), "line 2 is not UTF-8"),
        ("a.csv", "n\nJos\xe9\n".encode("latin1"), "iconv -f cp1252 -t utf-8"),
        ("a.csv", GOOD.decode().encode("utf-16"), "UTF-16, not UTF-8"),
        ("a.csv", b"a,b,a\n1,2,3\n", "two columns named 'a'"),
        ("a.csv", b",b\n1,2\n", "column 1 of a.csv has no name"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, and the header has 2"),
        ("a.csv", b"a,b\n1\n1,2\n1,2,3\n", "line 2 has 1 field, and the header has 2 (1 more"),
        ("a.csv", b"a,b\n1,2,3\n1,2,3\n", "quote fields that contain the separator"),
        ("a.csv", b'a,b\n"1,2\n3,4\n', "lines 2 to 3: a field begins with a quotation mark"),
        ("a.csv.gz", gzip.compress(GOOD * 99)[:30], "truncated or corrupt"),
        ("a.csv.gz", GOOD, "truncated or corrupt"),
        ("a.csv.xz", lzma.compress(GOOD * 99)[:50], "truncated or corrupt"),
        ("a.csv.xz", GOOD, "truncated or corrupt"),
        ("a.parquet", b"PAR1....PAR1", "not a readable Parquet file"),
        ("a.xlsx", b"x", "unknown type"),
        ("a", b"x", "unknown type"),
        ("a.parquet.gz", b"x", "unknown type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken_file_is_refused_with_the_reason(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as error:
        read_source(tmp_path / name, "prepare.manifest.path")
    message = str(error.value)
    assert message.startswith("prepare.manifest.path: ")
    assert words in message
    assert "hint: " in message


def test_absent_file_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(GOOD)
    with pytest.raises(
        DataError, match=r"lables.csv does not exist(.|\n)*did you mean 'labels.csv'"
    ):
        read_source(tmp_path / "lables.csv", "path")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        read_source(tmp_path, "path")
