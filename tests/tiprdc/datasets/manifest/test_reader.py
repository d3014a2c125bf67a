"""The manifest reader: tables, images, texts, attributes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tests.helpers.pictures import striped
from tests.helpers.recordings import write_tone
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.schema import Attribute, Column
from tiprdc.datasets.tables import rare_categories
from tiprdc.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def _few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of four people keep their categories."""
    monkeypatch.setattr(rare_categories, "MIN_PEOPLE", 1)


def write_table(path: Path, **changes: list[Any]) -> ManifestConfig:
    """A table of four people, some columns changed; None leaves one out."""
    columns = {
        "who": ["a", "b", "c", "d"],
        "age": [20, 30, 40, 50],
        "town": ["x", "y", "x", None],
        "gender": ["f", "m", "m", "f"],
        "rich": [1, 0, 1, 0],
        **changes,
    }
    pd.DataFrame({k: v for k, v in columns.items() if v}).to_csv(path / "people.csv", index=False)
    return ManifestConfig(
        path=str(path / "people.csv"),
        x=("age", "town"),
        private=("gender",),
        utility=("rich",),
        split=None,
    )


def write_images(path: Path, names: list[Any]) -> ManifestConfig:
    """A manifest of these images; those named *.png exist."""
    for number, name in enumerate(dict.fromkeys(n for n in names if n and n.endswith(".png"))):
        (path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        striped((20 + number, 30), (number, 0, 0)).save(path / "images" / name)
    labels = ["f", "m"] * len(names)
    frame = pd.DataFrame({"image": names, "gender": labels[: len(names)]})
    frame.to_csv(path / "faces.csv", index=False)
    return ManifestConfig(
        path=str(path / "faces.csv"),
        root=str(path / "images"),
        private=("gender",),
        utility=(),
        split=None,
        size=8,
    )


def error_message(config: ManifestConfig) -> str:
    with pytest.raises(DataError) as error:
        ManifestReader(config).index()
    assert "expected: " in str(error.value)
    return str(error.value)


def test_table_gives_attributes_and_encoded_columns(tmp_path: Path) -> None:
    reader = ManifestReader(write_table(tmp_path))
    index = reader.index()
    assert reader.modality == "table"
    assert index.attributes == (
        Attribute(name="gender", classes=("f", "m")),
        Attribute(name="rich", classes=("0", "1")),
    )
    assert index.records["gender"].tolist() == [0, 1, 1, 0]
    assert index.records["rich"].tolist() == [1, 0, 1, 0]
    assert index.notes == ("No person column: each record is a person.",)
    fitted = reader.fit(index.records[:3])
    assert fitted.columns[0] == Column(name="age", mean=30.0, std=float(np.std([20, 30, 40])))
    assert fitted.columns[1] == Column(name="town", categories=("x", "y"))
    batch = reader.read(index.records[2:], fitted)
    np.testing.assert_array_equal(batch.x, np.float32([[40, 0], [50, 2]]))
    assert batch.readable.all()


def test_empty_x_takes_all_other_columns(tmp_path: Path) -> None:
    reader = ManifestReader(replace(write_table(tmp_path), x=(), person="who"))
    index = reader.index()
    assert [c.name for c in reader.fit(index.records).columns] == ["age", "town"]
    assert index.records["person"].tolist() == ["a", "b", "c", "d"]
    assert index.notes == ()


def test_empty_x_without_other_columns_is_refused(tmp_path: Path) -> None:
    config = write_table(tmp_path, age=[], town=[])
    assert "no column is left" in error_message(replace(config, x=(), person="who"))


def test_missing_values_are_counted_in_a_note(tmp_path: Path) -> None:
    reader = ManifestReader(write_table(tmp_path))
    assert reader.fit(reader.index().records).notes == ("1 missing in town (extractor-train)",)


def test_category_of_few_people_is_counted_in_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_categories, "MIN_PEOPLE", 2)
    reader = ManifestReader(write_table(tmp_path))
    records = reader.index().records
    fitted = reader.fit(records)
    assert fitted.columns[1].categories == ("x",)
    assert reader.read(records, fitted).x[:, 1].tolist() == [0, 1, 0, 1]
    assert fitted.notes[-1].startswith("1 categories of town of fewer than ")


def test_unreadable_images_are_marked(tmp_path: Path) -> None:
    names = ["a.png", "b/c.png", "absent.jpg", None, "broken.jpg"]
    config = write_images(tmp_path, names)
    (tmp_path / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    reader = ManifestReader(replace(config, modality="image"))
    index = reader.index()
    assert index.records["record"].tolist() == [
        "a.png",
        "b/c.png",
        "absent.jpg",
        "row 4",
        "broken.jpg",
    ]
    fitted = reader.fit(index.records)
    batch = reader.read(index.records, fitted)
    assert fitted.shape == (3, 8, 8)
    assert batch.readable.tolist() == [True, True, False, False, False]
    assert batch.reasons == {2: "no such file", 3: "an empty cell", 4: "a broken picture"}
    assert batch.x[1, 0, :, 0].tolist() == [1] * 8


def test_column_of_pixels_is_refused_without_a_pixel(tmp_path: Path) -> None:
    config = write_images(tmp_path, ["12 13 14", "15 16 17", "18 19 20"])
    message = error_message(replace(config, modality="image", root=str(tmp_path)))
    assert "prepare.manifest.x: 3 of 3 cells are no paths of files" in message
    assert "12" not in message


def test_files_without_an_ending_are_read_by_their_content(tmp_path: Path) -> None:
    config = write_images(tmp_path, ["a", "b"])
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("a", "b")):
        striped((20, 30), (90 + number, 0, 0)).save(tmp_path / "images" / name, "PNG")
    reader = ManifestReader(replace(config, modality="image"))
    records = reader.index().records
    assert records["record"].tolist() == ["a", "b"]
    assert reader.read(records, reader.fit(records)).readable.all()


def test_paths_of_another_system_are_found_and_counted(tmp_path: Path) -> None:
    config = write_images(tmp_path, ["deep/a.png", "Zo\u00eb.png", "c.png"])
    names = ["deep\\a.PNG", "Zoe\u0308.png", "c.png"]
    lines = [f"{name},{sex}" for name, sex in zip(names, "fmf", strict=True)]
    (tmp_path / "faces.csv").write_text("\n".join(["image,gender", *lines]), encoding="utf-8")
    reader = ManifestReader(config)
    index = reader.index()
    assert index.records["record"].tolist() == ["deep/a.png", "Zo\u00eb.png", "c.png"]
    assert index.notes[-1] == "2 paths differ from their files in case, accents or slashes."
    assert reader.read(index.records, reader.fit(index.records)).readable.all()


def test_path_of_several_files_is_refused(tmp_path: Path) -> None:
    config = write_images(tmp_path, ["a.png", "A.png", "c.png"])
    (tmp_path / "faces.csv").write_text("image,gender\na.PNG,f\nc.png,m\n")
    assert "1 paths could mean several files: a.PNG" in error_message(config)


def test_wrong_root_is_refused_before_any_picture_is_read(tmp_path: Path) -> None:
    config = write_images(tmp_path, [f"{n}.png" for n in range(9)])
    message = error_message(replace(config, root=str(tmp_path)))
    assert f"prepare.manifest.root: 0 of the first 9 pictures are in {tmp_path}\n" in message
    assert (
        f"hint: the pictures are in {tmp_path}/images: set prepare.manifest.root to it" in message
    )


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd.png", "a/../../secret.png", "."])
def test_path_outside_the_root_is_refused(tmp_path: Path, path: str) -> None:
    config = write_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "faces.csv").write_text(f"image,gender\na.png,f\n{path},m\n")
    message = error_message(replace(config, modality="image"))
    # What is no path of a file is named by its row.
    name = path if path.endswith(".png") else "row 2"
    assert f"1 paths lead out of {tmp_path}/images: {name}" in message
    assert "prepare.manifest.root" in message


def test_image_of_two_people_is_refused(tmp_path: Path) -> None:
    message = error_message(write_images(tmp_path, ["a.png", "b.png", "./a.png"]))
    assert "1 pictures are listed for two people: a.png" in message
    assert "delete the repeated rows, or name the person column" in message


def test_recordings_are_read_and_the_others_named(tmp_path: Path) -> None:
    names = ["a/b.wav", "c.flac", "text.wav", "absent.wav", None, "d.ogg"]
    for name in (names[0], names[1], names[5]):
        write_tone(tmp_path / "clips" / str(name), rate=16_000)
    (tmp_path / "clips" / "text.wav").write_text("a secret")
    frame = pd.DataFrame({"clip": names, "gender": ["f", "m"] * 3})
    frame.to_csv(tmp_path / "clips.csv", index=False)
    config = ManifestConfig(
        path=str(tmp_path / "clips.csv"), root=str(tmp_path / "clips"), x=("clip",),
        private=("gender",), utility=(), split=None, rate=8000, duration=0.5,
    )  # fmt: skip
    reader = ManifestReader(config)
    records = reader.index().records
    fitted = reader.fit(records)
    batch = reader.read(records, fitted)
    assert (reader.modality, fitted.shape, fitted.rate) == ("audio", (4000,), 8000)
    assert (batch.x.dtype, batch.readable.tolist()) == (np.int16, [True] * 2 + [False] * 3 + [True])
    assert batch.reasons == {
        2: "not a recording, or a broken one", 3: "no such file", 4: "an empty cell",
    }  # fmt: skip
    assert records["record"].tolist() == [name or "row 5" for name in names]


def test_absent_root_is_refused(tmp_path: Path) -> None:
    config = replace(write_images(tmp_path, ["a.png", "b.png"]), root=str(tmp_path / "elsewhere"))
    assert "elsewhere is not a folder on this machine" in error_message(config)


def test_root_absent_on_a_worker_is_refused(tmp_path: Path) -> None:
    reader = ManifestReader(write_images(tmp_path, ["a.png", "b.png"]))
    records = reader.index().records
    reader.root = tmp_path / "gone"
    with pytest.raises(DataError, match="every worker of a cluster"):
        reader.read(records, reader.fit(records))


def test_texts_become_tokens(tmp_path: Path) -> None:
    text = ["a word or two", "  ", None, "two words or three"]
    config = replace(write_table(tmp_path, text=text), x=("text",), length=6, vocabulary=300)
    reader = ManifestReader(config)
    records = reader.index().records
    fitted = reader.fit(records)
    batch = reader.read(records, fitted)
    assert reader.modality == "text"
    assert batch.readable.tolist() == [True, False, False, True]
    assert batch.x.shape == (4, *fitted.shape) == (4, 6)
    assert 256 < fitted.vocabulary_size <= 300
    assert records["record"].tolist()[1] == "row 2"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ("gendre",)}, "prepare.manifest.private: people.csv has no column 'gendre'"),
        ({"private": ("gendre",)}, "one of who, age, town, gender, rich"),
        ({"private": ("gendre",)}, "did you mean 'gender'"),
        ({"utility": ("poor",)}, "prepare.manifest.utility: people.csv has no column 'poor'"),
        ({"x": ("agee",)}, "prepare.manifest.x: people.csv has no column 'agee'"),
        ({"person": "whom"}, "prepare.manifest.person: people.csv has no column 'whom'"),
        ({"split": "fold"}, "prepare.manifest.split: people.csv has no column 'fold'"),
    ],
)
def test_unknown_column_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    assert words in error_message(replace(write_table(tmp_path), **change))


def test_attribute_with_one_class_is_refused(tmp_path: Path) -> None:
    message = error_message(write_table(tmp_path, gender=["f"] * 4))
    assert "prepare.manifest.private: 'gender' has 1 class\n" in message
    assert "name another" in message


@pytest.mark.parametrize("gap", [None, "NaN", "  "])
def test_rows_without_a_label_are_refused_with_their_count(tmp_path: Path, gap: str | None) -> None:
    message = error_message(write_table(tmp_path, gender=["f", gap, "m", gap]))
    assert "'gender' is empty or NaN in 2 of 4 rows" in message
    assert "fill these rows in or delete them" in message


def test_row_without_a_person_is_refused(tmp_path: Path) -> None:
    config = replace(write_table(tmp_path, who=["a", None, "c", "d"]), person="who")
    assert "prepare.manifest.person: 'who' is empty or NaN in 1 of 4 rows" in error_message(config)


def test_attribute_with_many_classes_is_refused_without_its_values(tmp_path: Path) -> None:
    wages = [str(7000 + n) for n in range(60)]
    frame = pd.DataFrame({"age": range(60), "wage": wages})
    frame.to_csv(tmp_path / "people.csv", index=False)
    config = replace(write_table(tmp_path), private=("wage",), utility=(), x=("age",))
    frame.to_csv(tmp_path / "people.csv", index=False)
    message = error_message(config)
    assert "'wage' has 60 classes" in message
    assert "2 to 50 classes" in message
    assert "add a column that groups 'wage'" in message
    assert "70" not in message


def test_numeric_classes_are_sorted_by_value(tmp_path: Path) -> None:
    index = ManifestReader(write_table(tmp_path, rich=[10, 9, 100, 9])).index()
    assert index.attributes[1].classes == ("9", "10", "100")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ()}, "prepare.manifest.private: empty"),
        ({"private": ("a", "a")}, "'a' twice"),
        ({"x": ("a", "a")}, "'a' twice"),
        ({"x": ("skin_tone",)}, "also an attribute, the person or the split"),
        ({"x": ("id",), "person": "id"}, "also an attribute, the person or the split"),
        ({"private": ("person",)}, "any name but record, person, split"),
        ({"modality": "text", "x": ("a", "b")}, "one column for text"),
        ({"modality": "image", "x": ()}, "one column for image"),
        ({"size": 4}, "8 to 512"),
        ({"length": 1}, "4 to 4096"),
        ({"vocabulary": 200}, "300 to 100000"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        ManifestConfig(**change)
    assert str(error.value).startswith("prepare.manifest")
    assert words in str(error.value)


def test_attribute_in_both_lists_is_one_label() -> None:
    config = ManifestConfig(private=("a", "b"), utility=("b", "c"))
    assert config.labels == ("a", "b", "c")


def test_example_of_the_repository_is_read() -> None:
    reader = ManifestReader(ManifestConfig())
    index = reader.index()
    batch = reader.read(index.records, reader.fit(index.records))
    assert reader.modality == "image"
    assert batch.readable.sum() == 240
    assert [a.name for a in index.attributes] == ["skin_tone", "glasses", "facial_hair"]


def write_parquet(path: Path, **columns: Any) -> ManifestConfig:
    labels = {"gender": ["f", "m"] * 20, "rich": ["a", "a", "b", "b"] * 10}
    pq.write_table(pa.table({**labels, **columns}), path / "people.parquet")
    return ManifestConfig(
        path=str(path / "people.parquet"), root=str(path), private=("gender",), utility=("rich",),
        split=None,
    )  # fmt: skip


@pytest.mark.parametrize("key", ["x", "private", "utility", "person"])
def test_bytes_are_no_text_of_any_column(tmp_path: Path, key: str) -> None:
    config = write_parquet(tmp_path, age=range(40), blob=[b"secret"] * 40)
    value: Any = "blob" if key == "person" else ("age", "blob") if key == "x" else ("blob",)
    message = error_message(replace(config, **{"x": ("age",), key: value}))
    assert f"prepare.manifest.{key}: 'blob' contains bytes" in message
    assert "secret" not in message


def test_unused_column_that_is_no_text_is_ignored(tmp_path: Path) -> None:
    config = write_parquet(tmp_path, age=range(40), blob=[b"secret"] * 40)
    assert len(ManifestReader(replace(config, x=("age",))).index().records) == 40


@pytest.mark.parametrize("row", ["{n},f,late,41,36.5", "{n},f,f,41,36.5", "{n},f,late,x,y"])
def test_first_record_without_header_is_in_no_message(tmp_path: Path, row: str) -> None:
    config = write_table(tmp_path)
    lines = [row.format(n=f"somebody-{n}") for n in range(20)]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    message = error_message(replace(config, x=()))
    assert "seems to have no header" in message
    assert not any(cell in message for cell in ("somebody", "36.5", "'f'", "late"))


def test_stated_dialect_is_read(tmp_path: Path) -> None:
    rows = "\n".join(f"{'fm'[n % 2]};{n % 3 % 2};{n},5;caf\u00e9" for n in range(12))
    (tmp_path / "people.csv").write_bytes(f"gender;rich;age;town\n{rows}\n".encode("cp1252"))
    config = ManifestConfig(
        path=str(tmp_path / "people.csv"), x=("age", "town"), private=("gender",),
        utility=("rich",), split=None, encoding="cp1252", delimiter=";", decimal=",",
        categorical=("town",),
    )  # fmt: skip
    reader = ManifestReader(config)
    records = reader.index().records
    fitted = reader.fit(records)
    assert fitted.columns[0].mean == 6.0
    assert fitted.columns[1].categories == ("caf\u00e9",)
    assert reader.read(records, fitted).x[1].tolist() == [1.5, 0]


def test_odd_value_outside_extractor_train_is_asked_about_too(tmp_path: Path) -> None:
    message = error_message(write_table(tmp_path, age=[20, 30, 40, "90+"]))
    assert "column 'age' is not plainly one thing: 3 numbers and 1 numbers with other" in message


def test_pixels_in_a_column_of_paths_are_in_no_message(tmp_path: Path) -> None:
    config = write_images(tmp_path, ["a.png", "b.png"])
    pixels = " ".join(["17"] * 200)
    (tmp_path / "faces.csv").write_text(f"image,gender\na.png,f\n../{pixels},m\n")
    message = error_message(replace(config, modality="image"))
    assert "row 2" in message
    assert "17 17" not in message
    (tmp_path / "faces.csv").write_text(f"image,gender\na.png,f\n{pixels},m\n")
    records = ManifestReader(replace(config, modality="image")).index().records
    assert records["record"].tolist() == ["a.png", "row 2"]
