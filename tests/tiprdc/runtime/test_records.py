"""Records on a device: their names, their order, and the reasons of those that cannot be read."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.helpers.pictures import save_picture
from tests.helpers.recordings import write_tone
from tests.helpers.release_samples import write_release
from tiprdc.datasets.recordings import read_recording
from tiprdc.datasets.tables.dialect import Dialect
from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.manifest import Contract, read_contract
from tiprdc.runtime.records import open_records


@pytest.fixture
def contract(tmp_path: Path, request: pytest.FixtureRequest) -> Contract:
    return read_contract(write_release(tmp_path / "release", request.param) / "manifest.json")


@pytest.mark.parametrize("contract", ["image"], indirect=True)
class TestImages:
    def test_folder_is_read_in_sorted_order(self, tmp_path: Path, contract: Contract) -> None:
        for name in ("b/2.png", "a.jpg", "b/1.PNG", "c/d/e.bmp"):
            save_picture(tmp_path / "in" / name)
        (tmp_path / "in" / "notes.txt").write_text("no picture")
        records = open_records(tmp_path / "in", contract)
        assert records.ids == ["a.jpg", "b/1.PNG", "b/2.png", "c/d/e.bmp"]
        x, positions, failures = records.read(1, 9)
        assert isinstance(x, np.ndarray)
        assert (x.shape, x.dtype, positions.tolist(), failures) == (
            (3, 3, 8, 8),
            np.uint8,
            [1, 2, 3],
            {},
        )

    def test_unreadable_files_are_named_with_a_reason(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        save_picture(tmp_path / "good.png")
        whole = (tmp_path / "good.png").read_bytes()
        (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "text.jpg").write_text("not a picture")
        os.mkfifo(tmp_path / "pipe.jpg")
        (tmp_path / "list.txt").write_text(
            "good.png\r\ncut.png\n\ntext.jpg\npipe.jpg\nabsent.png\ngood.png\n"
        )
        records = open_records(tmp_path / "list.txt", contract)
        _, positions, failures = records.read(0, len(records))
        assert positions.tolist() == [0, 5]
        assert {failure.id: failure.reason.split(":")[0] for failure in failures.values()} == {
            "cut.png": "a broken picture",
            "text.jpg": "not a picture",
            "pipe.jpg": "not an ordinary file",
            "absent.png": "no such file",
        }

    def test_whatever_is_in_a_folder_has_features_or_a_reason(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        folder = tmp_path / "in"
        for name in ("plain.jpg", "moving.gif", "no_ending", "deep/UPPER.JPG"):
            save_picture(folder / name)
        (folder / "browser.jfif").write_bytes((folder / "plain.jpg").read_bytes())
        (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
        (folder / "scan.dcm").write_bytes(bytes(200))
        save_picture(tmp_path / "elsewhere" / "linked.png")
        (folder / "share").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (folder / "gone.png").symlink_to(tmp_path / "nothing")
        records = open_records(folder, contract)
        _, positions, failures = records.read(0, len(records))
        assert [records.ids[position] for position in positions] == [
            "browser.jfif",
            "deep/UPPER.JPG",
            "moving.gif",
            "no_ending",
            "plain.jpg",
        ]
        assert {failure.id for failure in failures.values()} == {
            "gone.png",
            "phone.heic",
            "scan.dcm",
            "share",
        }

    def test_folder_that_cannot_be_read_is_named(
        self, tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_picture(tmp_path / "in" / "a.png")
        save_picture(tmp_path / "in" / "locked" / "b.png")
        scandir = os.scandir

        def refuse(path: str) -> object:
            if str(path).endswith("locked"):
                raise PermissionError(13, "no", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        records = open_records(tmp_path / "in", contract)
        assert list(records.ids) == ["a.png", "locked"]
        (failure,) = records.read(0, 2).failures.values()
        assert failure.reason == "a folder that cannot be read (PermissionError)"

    def test_files_beside_pictures_are_counted(self, tmp_path: Path, contract: Contract) -> None:
        save_picture(tmp_path / "in" / "a.png")
        for name in (".DS_Store", "Thumbs.db", "notes.md"):
            (tmp_path / "in" / name).write_text("no picture")
        save_picture(tmp_path / "in" / ".trash" / "b.png")
        records = open_records(tmp_path / "in", contract)
        assert list(records.ids) == ["a.png"]
        assert records.notes == (
            "Hidden and system files and folders, which are not read: 3",
            "Files that are not pictures, and have no features: 1 (notes.md)",
        )

    def test_list_written_by_another_system(self, tmp_path: Path, contract: Contract) -> None:
        save_picture(tmp_path / "faces" / "Zo\u00eb.JPG")
        save_picture(tmp_path / "faces" / "two.png")
        save_picture(tmp_path / "faces" / "TWO.png")
        (tmp_path / "list.txt").write_text(
            "faces\\Zoe\u0308.jpg\nFACES/two.PNG\nAnna was ill\n", encoding="utf-8"
        )
        records = open_records(tmp_path / "list.txt", contract)
        _, positions, failures = records.read(0, 9)
        assert positions.tolist() == [0]
        assert [(one.id, one.reason) for one in failures.values()] == [
            ("FACES/two.PNG", "it could mean several files"),
            ("line 3", "no such file"),
        ]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("names.txt", "none of its first 2 lines names a file"),
            ("names.dat", "neither a picture nor a list of pictures"),
            ("names.csv", "neither a picture nor a list of pictures"),
        ],
    )
    def test_other_file_as_input_is_refused_without_its_content(
        self, tmp_path: Path, contract: Contract, name: str, message: str
    ) -> None:
        (tmp_path / name).write_text("Anna Smith, HIV positive\nBob Jones\n")
        with pytest.raises(DataError, match=message) as error:
            open_records(tmp_path / name, contract)
        assert "Anna" not in str(error.value)

    def test_file_name_that_is_not_unicode_is_escaped(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        save_picture(tmp_path / "in" / os.fsdecode(b"caf\xe9.png"))
        records = open_records(tmp_path / "in", contract)
        assert records.ids == ["caf\\xe9.png"]
        assert records.read(0, 1)[2] == {}

    def test_digest_changes_with_the_files(self, tmp_path: Path, contract: Contract) -> None:
        save_picture(tmp_path / "in" / "a.png")
        before = open_records(tmp_path / "in", contract).digest
        assert open_records(tmp_path / "in", contract).digest == before
        os.utime(tmp_path / "in" / "a.png", ns=(1, 1))
        touched = open_records(tmp_path / "in", contract).digest
        save_picture(tmp_path / "in" / "b.png")
        assert len({before, touched, open_records(tmp_path / "in", contract).digest}) == 3

    def test_path_without_images_is_refused(self, tmp_path: Path, contract: Contract) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="no picture in it"):
            open_records(tmp_path / "empty", contract)
        with pytest.raises(DataError, match=r"no such file(.|\n)*did you mean 'empty'"):
            open_records(tmp_path / "empti", contract)
        with pytest.raises(ConfigError, match="--column"):
            open_records(tmp_path / "empty", contract, column="text")


@pytest.mark.parametrize("contract", ["audio"], indirect=True)
class TestRecordings:
    def test_table_of_paths_is_read_as_training_was(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        write_tone(tmp_path / "in" / "a.wav", rate=44_100, seconds=3)
        (tmp_path / "in" / "b.wav").write_text("a secret")
        table = tmp_path / "in" / "clips.csv"
        table.write_text("who,clip\nann,a.wav\nben,b.wav\ncas,\ndee,gone.wav\n")
        records = open_records(table, contract, id_column="who")
        x, positions, failures = records.read(0, 9)
        assert isinstance(x, np.ndarray)
        np.testing.assert_array_equal(x[0], read_recording(tmp_path / "in" / "a.wav", 8000, 4000))
        assert (x.shape, positions.tolist()) == ((1, 4000), [0])
        assert {failure.id: failure.reason for failure in failures.values()} == {
            "ben": "not a recording, or a broken one", "cas": "an empty cell",
            "dee": "no such file",
        }  # fmt: skip
        assert open_records(table, contract).ids == ["a.wav", "b.wav", "row 3", "gone.wav"]

    def test_folder_is_read_in_sorted_order(self, tmp_path: Path, contract: Contract) -> None:
        for name in ("b.flac", "a/c.wav", "d.ogg"):
            write_tone(tmp_path / "in" / name)
        (tmp_path / "in" / "notes.txt").write_text("no recording")
        records = open_records(tmp_path / "in", contract)
        assert records.ids == ["a/c.wav", "b.flac", "d.ogg"]
        assert records.notes == (
            "Files that are not recordings, and have no features: 1 (notes.txt)",
        )

    def test_one_column_of_several_is_asked_for(self, tmp_path: Path, contract: Contract) -> None:
        write_tone(tmp_path / "a.wav")
        (tmp_path / "in.csv").write_text("near,far\na.wav,a.wav\n")
        with pytest.raises(ConfigError, match="2 columns have paths of recordings") as error:
            open_records(tmp_path / "in.csv", contract)
        assert "add --column near" in str(error.value)
        assert len(open_records(tmp_path / "in.csv", contract, column="near")) == 1

    def test_missing_packages_are_named(
        self, tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_tone(tmp_path / "a.wav")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ConfigError, match="pip install soundfile soxr"):
            open_records(path, contract)


@pytest.mark.parametrize("contract", ["text"], indirect=True)
class TestTexts:
    def test_texts_from_lines(self, tmp_path: Path, contract: Contract) -> None:
        (tmp_path / "in.txt").write_bytes(
            "\ufeffone\r\n\ntwo\u2028still two\n".encode() + b"\xff\n"
        )
        records = open_records(tmp_path / "in.txt", contract)
        x, positions, failures = records.read(0, 10)
        assert (x, positions.tolist()) == (["one", "two\u2028still two"], [0, 2])
        assert {f.id: f.reason for f in failures.values()} == {
            "2": "an empty text",
            "4": "not UTF-8",
        }

    def test_texts_from_a_column(self, tmp_path: Path, contract: Contract) -> None:
        path = tmp_path / "in.csv"
        path.write_text('name,post\nann,"one, with\na break"\nbob,NA\n,three\nx,y,z\n')
        records = open_records(path, contract, column="post", id_column="name")
        x, _, failures = records.read(0, 10)
        assert x == ["one, with\na break", "three"]
        assert list(records.ids) == ["ann", "bob", "row 3", "row 4"]
        assert [f.reason for f in failures.values()] == [
            "an empty text",
            "line 6 has 3 fields, and the header has 2",
        ]
        with pytest.raises(ConfigError, match="--column: not given"):
            open_records(path, contract)
        with pytest.raises(DataError, match="did you mean 'post'"):
            open_records(path, contract, column="pots")


@pytest.mark.parametrize("contract", ["table"], indirect=True)
class TestRows:
    def test_columns_may_be_in_any_order(self, tmp_path: Path, contract: Contract) -> None:
        path = tmp_path / "in.tsv"
        path.write_bytes(
            b"who\thours\tjob \t age\nann\t20\tState-gov\t30\nbob\t\tother\tforty\ncy\t1\t\xff\t2\n"
        )
        records = open_records(path, contract, id_column="who")
        x, positions, failures = records.read(0, 3)
        assert isinstance(x, np.ndarray)
        assert (x.tolist(), positions.tolist()) == ([[30, 1, 20]], [0])
        reasons = {f.id: f.reason for f in failures.values()}
        assert reasons == {"bob": "age is not a number", "cy": "line 4 is not UTF-8"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("age,jobs,hours\n1,a,2\n", "no column 'job'"),
            ("age,job,hours\n", "in.csv is empty"),
            ("age,job,hours,age\n1,a,2,3\n", "two columns named 'age'"),
            ("", "in.csv is empty"),
            ('age,job,hours\n1,"a,2\n', "line 2: a field begins with a quotation mark"),
            ("age;job;hours\n1;a;2\n", 'set --delimiter to ";"'),
        ],
    )  # fmt: skip
    def test_broken_table_is_refused(
        self, tmp_path: Path, contract: Contract, text: str, message: str
    ) -> None:
        (tmp_path / "in.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            open_records(tmp_path / "in.csv", contract)


@pytest.mark.parametrize("contract", ["table"], indirect=True)
class TestArrays:
    def test_rows_are_read_in_the_order_of_the_columns(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        columns = tuple(replace(column, categories=()) for column in contract.columns)
        numeric = replace(contract, input=replace(contract.input, columns=columns))
        x = np.arange(12.0).reshape(4, 3)
        x[1, 2], x[3, 0] = np.nan, 1e39
        np.save(tmp_path / "in.npy", x)
        records = open_records(tmp_path / "in.npy", numeric)
        rows, positions, failures = records.read(0, 9)
        assert isinstance(rows, np.ndarray)
        assert (rows.dtype, positions.tolist()) == (np.float32, [0, 2])
        np.testing.assert_array_equal(rows, x[[0, 2]])
        assert [failure.id for failure in failures.values()] == ["2", "4"]
        for array in (x[0], x[:, :2], x[:0], x.astype(str)):
            np.save(tmp_path / "in.npy", array)
            with pytest.raises(DataError, match=r"numbers \[N, 3\]|no array of numbers"):
                open_records(tmp_path / "in.npy", numeric)

    def test_release_with_categories_takes_no_array(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        np.save(tmp_path / "in.npy", np.zeros((2, 3)))
        with pytest.raises(DataError, match="takes categories of 'job'"):
            open_records(tmp_path / "in.npy", contract)


@pytest.mark.parametrize("contract", ["table"], indirect=True)
class TestDialects:
    def test_table_of_another_program_is_read_as_stated(
        self, tmp_path: Path, contract: Contract
    ) -> None:
        path = tmp_path / "in.csv"
        path.write_bytes("age;job;hours\n30,5;State-gov;20\n1.000;other;1\n".encode("utf-16"))
        with pytest.raises(DataError, match="set --encoding to utf-16"):
            open_records(path, contract)
        dialect = Dialect(encoding="utf-16", delimiter=";", decimal=",")
        x, _, failures = open_records(path, contract, dialect=dialect).read(0, 2)
        assert isinstance(x, np.ndarray)
        assert x.tolist() == [[30.5, 1, 20]]
        assert [failure.reason for failure in failures.values()] == ["age is not a number"]

    def test_digest_changes_with_the_dialect(self, tmp_path: Path, contract: Contract) -> None:
        path = tmp_path / "in.csv"
        path.write_text("age,job,hours\n30,other,20\n")
        stated = Dialect(quotes="literal")
        digests = {
            open_records(path, contract, dialect=dialect).digest for dialect in (None, stated)
        }
        assert len(digests) == 2
