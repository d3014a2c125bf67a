"""Delimited text: no line is swallowed, lost or guessed, and no cell is in a message."""

from __future__ import annotations

import csv
import io

import pytest

from tiprdc.datasets.tables.delimited import DelimitedTable, read_delimited, refuse_invalid_rows
from tiprdc.datasets.tables.dialect import Dialect, check_dialect
from tiprdc.datasets.tables.text_encoding import Location
from tiprdc.errors import ConfigError, DataError

LOCATION = Location("prepare.manifest.path", "people.csv", "prepare.manifest.")


def read(text: str | bytes, separator: str = ",", **dialect: str) -> DelimitedTable:
    data = text.encode() if isinstance(text, str) else text
    return read_delimited(data, separator, Dialect(**dialect), LOCATION)  # type: ignore[arg-type]


def refusal(text: str | bytes, separator: str = ",", **dialect: str) -> str:
    with pytest.raises(DataError) as error:
        read(text, separator, **dialect)
    return str(error.value)


def posts(*texts: str) -> str:
    return "who\tmood\tpost\n" + "".join(f"p{n}\tglad\t{text}\n" for n, text in enumerate(texts))


@pytest.mark.parametrize(
    "texts",
    [
        ('"the river', "is", "wide", 'wide"'),
        ('"the river', "is", "wide", '"wide'),
        ("the river", '"is', "wide", "deep"),
        ('"Yes" she said', "is", "wide", "deep"),
        ('"is', 'wide"', "deep", "long"),
    ],
)
def test_quotation_marks_of_texts_swallow_no_line(texts: tuple[str, ...]) -> None:
    message = refusal(posts(*texts), "\t")
    assert "line" in message
    assert "set prepare.manifest.quotes to literal" in message
    assert "river" not in message
    assert "wide" not in message
    table = read(posts(*texts), "\t", quotes="literal")
    assert table.column("post") == list(texts)


def test_quoted_line_breaks_are_kept() -> None:
    rows = [["a", "one, two\nthree"], ["b", 'he said "no"\n\nand left'], ["c", "d"]]
    for order in (1, -1):
        buffer = io.StringIO()
        csv.writer(buffer).writerows(row[::order] for row in [["who", "post"], *rows])
        table = read(buffer.getvalue())
        assert [row[::order] for row in table.rows] == rows
        assert table.lines == [2, 4, 7]


def test_fields_whose_lines_look_like_rows_are_refused_until_they_are_stated() -> None:
    text = 'who,post\na,"well\nyes, sure\nno, never"\nb,c\n'
    message = refusal(text)
    assert "1 field between quotation marks would swallow lines that look like rows" in message
    assert "set prepare.manifest.quotes to enclose" in message
    assert read(text, quotes="enclose").column("post") == ["well\nyes, sure\nno, never", "c"]


def test_a_long_run_of_rows_in_one_field_is_refused_beside_many_true_line_breaks() -> None:
    true = "".join(f'p{n},"one\ntwo"\n' for n in range(20))
    lone = 'q0,"lone\n' + "".join(f"q{n},text\n" for n in range(1, 8)) + 'q8,end"\n'
    assert "would swallow" in refusal("who,post\n" + true + lone)
    assert read("who,post\n" + true).multiline == 20


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        ("a,b\n1,2\n1\n", 1, "line 3 has 1 field, and the header has 2"),
        ("a,b\n\n1,2\n1,2,3\n", 1, "line 4 has 3 fields, and the header has 2"),
        ('a,b\n"x\ny",2\n1,2,3\n', 1, "line 4 has 3 fields, and the header has 2"),
        (b"a,b\n1,2\n1,\xe9\n", 1, "line 3 is not UTF-8"),
    ],
)
def test_row_that_cannot_be_used_is_named_by_its_line(
    text: str | bytes, row: int, reason: str
) -> None:
    table = read(text)
    assert table.invalid == {row: reason}
    assert len(table.rows) == 2


def test_blank_lines_of_a_wider_table_are_no_rows() -> None:
    table = read("\na,b\n\n1,2\n   \n")
    assert (table.rows, table.lines, table.invalid) == ([["1", "2"]], [4], {})


def test_empty_line_in_a_table_of_one_column_is_a_row() -> None:
    assert read("post\na\n\nb\n").rows == [["a"], [""], ["b"]]


@pytest.mark.parametrize(
    ("separator", "shown"), [(";", '";"'), ("\t", "tab"), ("|", '"|"')]
)  # fmt: skip
def test_other_separator_is_refused_with_the_setting_that_reads_it(
    separator: str, shown: str
) -> None:
    text = separator.join(["who", "height"]) + "\n" + separator.join(["ann", "1,75"]) + "\n"
    assert f"set prepare.manifest.delimiter to {shown}" in refusal(text)
    stated = Dialect(delimiter=shown.strip('"'))
    assert read(text, stated.separator(".csv")).rows == [["ann", "1,75"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_other_encoding_is_refused_with_the_setting_that_reads_it(encoding: str) -> None:
    text = "who,town\nann,M\u00fcnchen\nbob,K\u00f6ln\n"
    data = text.encode(encoding)
    with pytest.raises(DataError) as error:
        refuse_invalid_rows(read(data), data, LOCATION)
    assert f"set prepare.manifest.encoding to {encoding}" in str(error.value)
    assert read(data, encoding=encoding).column("town") == ["M\u00fcnchen", "K\u00f6ln"]


def test_file_of_two_encodings_is_not_advised_to_be_converted() -> None:
    data = "who,town\nann,M\u00fcnchen\n".encode() + "bob,K\u00f6ln\n".encode("cp1252")
    with pytest.raises(DataError) as error:
        refuse_invalid_rows(read(data), data, LOCATION)
    assert "line 3 is not UTF-8" in str(error.value)
    assert "the other lines are UTF-8: correct or delete these" in str(error.value)


def test_header_in_another_encoding_is_refused() -> None:
    message = refusal("who,Gr\u00f6\u00dfe\nann,1\n".encode("cp1252"))
    assert "the line of the header is not UTF-8" in message
    assert "set prepare.manifest.encoding to cp1252" in message


def test_line_for_excel_is_named() -> None:
    assert "delete line 1" in refusal("sep=;\r\nwho;mood\r\nann;glad\r\n")


def test_stated_separator_is_believed() -> None:
    assert read("a;b\n1;2\n", delimiter=",").rows == [["1;2"]]


def test_utf8_read_as_another_encoding_is_refused() -> None:
    data = "who,town\nann,M\u00fcnchen\n".encode()
    assert "set prepare.manifest.encoding to utf-8" in refusal(data, encoding="cp1252")
    assert "is not utf-16" in refusal(b"who,town\nann,x\n", encoding="utf-16")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_file_that_is_no_text_is_refused(encoding: str) -> None:
    message = refusal(b"a,b\n\0\1\2,3\n", encoding=encoding)
    assert "not a text file: 1 of its bytes are 0" in message
    assert "tr -d '\\0' > clean-" in message


@pytest.mark.parametrize(
    "text",
    [
        "somebody-0,f,f,41,36.5\nsomebody-1,m,f,40,36.1\n",
        "somebody-0,f,f,x\nsomebody-1,f,m,y\n",
        "somebody-0,,3\nsomebody-1,m,4\n",
        "f,somebody-0,f\nm,somebody-1,f\n",
    ],
)
def test_first_record_of_a_file_without_header_is_not_shown(text: str) -> None:
    message = refusal(text)
    assert "seems to have no header" in message
    assert "add a first line with the names of the columns" in message
    assert not any(cell in message for cell in ("somebody", "'f'", "41", "36.5"))


def test_records_of_another_separator_are_not_shown_as_a_name() -> None:
    message = refusal('somebody-0;f;"36.5\nsomebody-1;m;"36,1\n')
    assert 'set prepare.manifest.delimiter to ";"' in message
    assert "somebody" not in message


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"delimiter": "ab"}, "--delimiter"),
        ({"delimiter": "1"}, "--delimiter"),
        ({"encoding": "rot13"}, "--encoding"),
        ({"encoding": "latin-99"}, "--encoding"),
        ({"decimal": ";"}, "--decimal"),
        ({"quotes": "no"}, "--quotes"),
    ],
)
def test_dialect_that_no_file_has_is_refused(change: dict[str, str], where: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_dialect(Dialect(**change), "--")  # type: ignore[arg-type]
    assert str(error.value).startswith(where)
