from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from PIL import Image

from tiprdc.datasets.manifest import ManifestConfig, ManifestReader, guess_modality
from tiprdc.datasets.schema import Attribute, Column
from tiprdc.errors import ConfigError, DataError


def table(path: Path, **columns: list[Any]) -> ManifestConfig:
    """A table of four people, some columns changed; None leaves one out."""
    given = {
        "who": ["a", "b", "c", "d"],
        "age": [20, 30, 40, 50],
        "town": ["x", "y", "x", None],
        "gender": ["f", "m", "m", "f"],
        "rich": [1, 0, 1, 0],
        **columns,
    }
    pd.DataFrame({k: v for k, v in given.items() if v}).to_csv(path / "people.csv", index=False)
    return ManifestConfig(
        path=str(path / "people.csv"),
        x=("age", "town"),
        private=("gender",),
        utility=("rich",),
        split=None,
    )


def pictures(path: Path, names: list[Any]) -> ManifestConfig:
    """A manifest of these pictures, of which those called *.png exist."""
    for number, name in enumerate(dict.fromkeys(n for n in names if n and n.endswith(".png"))):
        (path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 30), (number, 0, 0)).save(path / "pictures" / name)
    labels = ["f", "m"] * len(names)
    frame = pd.DataFrame({"image": names, "gender": labels[: len(names)]})
    frame.to_csv(path / "faces.csv", index=False)
    return ManifestConfig(
        path=str(path / "faces.csv"),
        root=str(path / "pictures"),
        private=("gender",),
        utility=(),
        split=None,
        size=8,
    )


def refusal(config: ManifestConfig) -> str:
    with pytest.raises(DataError) as refused:
        ManifestReader(config).index()
    assert "expected: " in str(refused.value)
    return str(refused.value)


def test_a_table_from_file_to_numbers(tmp_path: Path) -> None:
    reader = ManifestReader(table(tmp_path))
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


def test_an_empty_x_takes_all_columns_without_another_part(tmp_path: Path) -> None:
    reader = ManifestReader(replace(table(tmp_path), x=(), person="who"))
    index = reader.index()
    assert [c.name for c in reader.fit(index.records).columns] == ["age", "town"]
    assert index.records["person"].tolist() == ["a", "b", "c", "d"]
    assert index.notes == ()


def test_an_empty_x_with_nothing_left(tmp_path: Path) -> None:
    config = table(tmp_path, age=[], town=[])
    assert "no column is left" in refusal(replace(config, x=(), person="who"))


def test_gaps_are_noted(tmp_path: Path) -> None:
    reader = ManifestReader(table(tmp_path))
    assert reader.fit(reader.index().records).notes == ("1 missing in town (extractor-train)",)


def test_pictures_of_any_size_are_read_and_the_others_said(tmp_path: Path) -> None:
    names = ["a.png", "b/c.png", "absent.jpg", None, "broken.jpg"]
    config = pictures(tmp_path, names)
    (tmp_path / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
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
    assert batch.x[1, 0].max() == 1


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd.png", "a/../../secret.png", "."])
def test_a_path_out_of_the_root_is_refused(tmp_path: Path, path: str) -> None:
    config = pictures(tmp_path, ["a.png", "b.png"])
    (tmp_path / "faces.csv").write_text(f"image,gender\na.png,f\n{path},m\n")
    said = refusal(replace(config, modality="image"))
    assert f"1 paths lead out of {tmp_path}/pictures: {path}" in said
    assert "prepare.manifest.root" in said


def test_one_picture_for_two_people_is_refused(tmp_path: Path) -> None:
    said = refusal(pictures(tmp_path, ["a.png", "b.png", "./a.png"]))
    assert "1 pictures are listed for two people: a.png" in said
    assert "delete the repeated rows, or name the person column" in said


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    config = replace(pictures(tmp_path, ["a.png", "b.png"]), root=str(tmp_path / "elsewhere"))
    assert "elsewhere is not a folder here" in refusal(config)


def test_a_root_that_only_a_worker_lacks(tmp_path: Path) -> None:
    reader = ManifestReader(pictures(tmp_path, ["a.png", "b.png"]))
    records = reader.index().records
    reader.root = tmp_path / "gone"
    with pytest.raises(DataError, match="every worker of a cluster"):
        reader.read(records, reader.fit(records))


def test_texts(tmp_path: Path) -> None:
    text = ["a word or two", "  ", None, "two words or three"]
    config = replace(table(tmp_path, text=text), x=("text",), length=6, vocabulary=300)
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
    ("columns", "modality"),
    [
        ({"x": ["a.jpg", "b/c.PNG", None]}, "image"),
        ({"x": ["two words", "three words here"]}, "text"),
        ({"x": ["1", "2"]}, "table"),
        ({"x": ["small", "large"]}, "table"),
        ({"x": ["a.jpg"], "y": ["a.jpg"]}, "table"),
        ({"x": [None]}, "table"),
    ],
)
def test_what_a_column_holds(columns: dict[str, list[str]], modality: str) -> None:
    assert guess_modality(pd.DataFrame(columns, dtype="str")) == modality


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
def test_a_column_that_is_not_there(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    assert words in refusal(replace(table(tmp_path), **change))


def test_one_class_needs_no_hiding(tmp_path: Path) -> None:
    said = refusal(table(tmp_path, gender=["f"] * 4))
    assert "prepare.manifest.private: 'gender' has 1 class\n" in said
    assert "name another" in said


@pytest.mark.parametrize("gap", [None, "NaN", "  "])
def test_an_unlabelled_row_is_refused_with_its_count(tmp_path: Path, gap: str | None) -> None:
    said = refusal(table(tmp_path, gender=["f", gap, "m", gap]))
    assert "'gender' is empty or NaN in 2 of 4 rows" in said
    assert "fill these rows in or delete them" in said


def test_a_nameless_person_is_refused(tmp_path: Path) -> None:
    config = replace(table(tmp_path, who=["a", None, "c", "d"]), person="who")
    assert "prepare.manifest.person: 'who' is empty or NaN in 1 of 4 rows" in refusal(config)


def test_a_number_is_no_attribute_to_hide_and_no_value_of_it_is_said(tmp_path: Path) -> None:
    wages = [str(7000 + n) for n in range(60)]
    frame = pd.DataFrame({"age": range(60), "wage": wages})
    frame.to_csv(tmp_path / "people.csv", index=False)
    config = replace(table(tmp_path), private=("wage",), utility=(), x=("age",))
    frame.to_csv(tmp_path / "people.csv", index=False)
    said = refusal(config)
    assert "'wage' has 60 classes" in said
    assert "2 to 50 classes" in said
    assert "add a column of groups of 'wage'" in said
    assert "70" not in said


def test_numeric_classes_are_in_order_of_their_value(tmp_path: Path) -> None:
    index = ManifestReader(table(tmp_path, rich=[10, 9, 100, 9])).index()
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
def test_wrong_settings(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ManifestConfig(**change)
    assert str(refused.value).startswith("prepare.manifest")
    assert words in str(refused.value)


def test_a_name_in_both_lists_is_labelled_once() -> None:
    config = ManifestConfig(private=("a", "b"), utility=("b", "c"))
    assert config.labels == ("a", "b", "c")


def test_the_example_of_the_repository() -> None:
    reader = ManifestReader(ManifestConfig())
    index = reader.index()
    batch = reader.read(index.records, reader.fit(index.records))
    assert reader.modality == "image"
    assert batch.readable.sum() == 240
    assert [a.name for a in index.attributes] == ["skin_tone", "glasses", "facial_hair"]
