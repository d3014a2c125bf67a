from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from tiprdc.datasets.celeba import CelebaConfig, celeba_reader
from tiprdc.datasets.schema import Attribute
from tiprdc.errors import ConfigError, DataError

NAMES = ("5_o_Clock_Shadow", "Eyeglasses", "Male", "Smiling")
ROWS = ("-1 -1  1 -1", " 1 -1  1  1", "-1  1 -1 -1", "-1 -1 -1  1", "-1  1  1 -1", "-1 -1 -1  1")
CODES = (0, 0, 0, 1, 2, 2)
PEOPLE = (7, 7, 8, 9, 10, 11)


def layout(folder: Path) -> CelebaConfig:
    """Six pictures of five people, as published."""
    pictures = folder / "img_align_celeba"
    pictures.mkdir()
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for number, name in enumerate(names):
        Image.new("RGB", (178, 218), (40 * number, 0, 0)).save(pictures / name)
    attributes = [f"{n}  {row} " for n, row in zip(names, ROWS, strict=True)]
    lines = ["6", " ".join(NAMES) + " ", *attributes]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    for file, column in (("list_eval_partition.txt", CODES), ("identity_CelebA.txt", PEOPLE)):
        text = "".join(f"{name} {code}\n" for name, code in zip(names, column, strict=True))
        (folder / file).write_text(text)
    (folder / "README.md").write_text("where it came from\n")
    return CelebaConfig(root=str(folder), private=("Male",), utility=("Smiling",), size=8)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refusal(config: CelebaConfig) -> str:
    with pytest.raises(DataError) as refused:
        celeba_reader(config).index()
    assert "expected: " in str(refused.value)
    return str(refused.value)


def test_the_published_files_from_labels_to_pixels(tmp_path: Path) -> None:
    reader = celeba_reader(layout(tmp_path))
    index = reader.index()
    assert index.attributes == (
        Attribute(name="Male", classes=("no", "yes")),
        Attribute(name="Smiling", classes=("no", "yes")),
    )
    records = index.records
    assert records["record"].tolist() == [f"{number:06d}.jpg" for number in range(1, 7)]
    assert records["Male"].tolist() == [1, 1, 0, 0, 1, 0]
    assert records["Smiling"].tolist() == [0, 1, 0, 1, 0, 1]
    assert records["split"].tolist() == ["train"] * 3 + ["val", "test", "test"]
    assert records["person"].tolist() == [str(person) for person in PEOPLE]
    assert index.notes == ()
    batch = reader.read(records, reader.fit(records))
    assert (batch.x.shape, batch.x.dtype) == ((6, 3, 8, 8), np.dtype(np.uint8))
    np.testing.assert_allclose(batch.x[:, 0, 4, 4], 40 * np.arange(6), atol=3)
    assert batch.readable.all()


def test_line_ends_of_windows_and_a_byte_order_mark(tmp_path: Path) -> None:
    config = layout(tmp_path)
    for file in tmp_path.glob("*.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(celeba_reader(config).index().records) == 6


def test_some_of_the_pictures_will_do(tmp_path: Path) -> None:
    config = layout(tmp_path)
    for number in (2, 3):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    index = celeba_reader(config).index()
    assert len(index.records) == 4
    assert index.records["Male"].tolist() == [1, 0, 1, 0]
    assert index.notes == ("2 of 6 listed pictures are not there.",)


def test_the_first_pictures_alone_are_divided_at_random(tmp_path: Path) -> None:
    config = layout(tmp_path)
    for number in (5, 6):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    index = celeba_reader(config).index()
    assert "split" not in index.records
    assert index.notes[1] == (
        "The pictures are of the official train and val split alone: their people are divided at "
        "random."
    )


def test_without_identities_each_picture_is_a_person(tmp_path: Path) -> None:
    config = layout(tmp_path)
    note = ("No identities: each picture is a person of its own.",)
    ignored = celeba_reader(replace(config, identity=False)).index()
    (tmp_path / "identity_CelebA.txt").unlink()
    absent = celeba_reader(config).index()
    assert ignored.notes == absent.notes == note
    assert ignored.records["person"].nunique() == absent.records["person"].nunique() == 6


def test_without_the_official_split_its_file_is_not_needed(tmp_path: Path) -> None:
    config = replace(layout(tmp_path), split=False)
    (tmp_path / "list_eval_partition.txt").unlink()
    index = celeba_reader(config).index()
    assert "split" not in index.records
    assert index.notes == ()


def test_broken_grey_and_transparent_pictures(tmp_path: Path) -> None:
    config = layout(tmp_path)
    pictures = tmp_path / "img_align_celeba"
    (pictures / "000001.jpg").write_bytes(b"\xff\xd8\xff")
    Image.new("L", (30, 9), 77).save(pictures / "000002.jpg")
    Image.new("RGBA", (9, 40), (5, 6, 7, 0)).save(pictures / "000003.jpg", format="PNG")
    reader = celeba_reader(config)
    records = reader.index().records
    batch = reader.read(records, reader.fit(records))
    assert batch.readable.tolist() == [False, *[True] * 5]
    assert batch.x[1, :, 0, 0].tolist() == [77, 77, 77]
    assert batch.x[2, :, 0, 0].tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ("Mal",)}, "prepare.celeba.private: list_attr_celeba.txt has no column 'Mal'"),
        ({"private": ("Mal",)}, "one of 5_o_Clock_Shadow, Eyeglasses, Male, Smiling"),
        ({"private": ("Mal",)}, "did you mean 'Male'"),
        ({"utility": ("Glasses",)}, "prepare.celeba.utility: "),
        ({"utility": ("Eyeglases",)}, "did you mean 'Eyeglasses'"),
    ],
)
def test_an_attribute_that_is_not_there(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    assert words in refusal(replace(layout(tmp_path), **change))


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("list_attr_celeba.txt", "6\n", "7\n", "has 6 rows, and its first line says 7"),
        ("list_attr_celeba.txt", "6\n", "", "does not begin with the number of pictures"),
        ("list_attr_celeba.txt", "1 -1 \n", "1\n", "line 3, is not a picture with 4 attributes"),
        ("list_attr_celeba.txt", "1  1 \n", "1  2 \n", "line 4, is not a picture with 4"),
        ("list_attr_celeba.txt", "000002", "000001", "lists 1 pictures twice: 000001.jpg"),
        ("list_eval_partition.txt", "jpg 1\n", "jpg 3\n", "line 4, is not a picture with a known"),
        ("list_eval_partition.txt", "jpg 1\n", "jpg 3\n", "0 (train), 1 (val), 2 (test)"),
        ("list_eval_partition.txt", "000004.jpg 1\n", "", "lacks 1 pictures of list_attr_celeba"),
        ("list_eval_partition.txt", "000004.jpg 1\n", "", "prepare.celeba.split to false"),
        ("list_eval_partition.txt", "000004", "000005", "lists 1 pictures twice: 000005.jpg"),
        ("identity_CelebA.txt", "jpg 9\n", "jpg nine\n", "then the number of a person"),
        (
            "identity_CelebA.txt",
            "000004",
            "000044",
            "lacks 1 pictures of list_attr_celeba.txt: 000",
        ),
    ],
)
def test_a_file_that_is_not_as_published(
    tmp_path: Path, file: str, old: str, new: str, words: str
) -> None:
    config = layout(tmp_path)
    edit(tmp_path / file, old, new)
    said = refusal(config)
    assert said.startswith(f"prepare.celeba.root: {file}")
    assert words in said


@pytest.mark.parametrize("file", ["list_attr_celeba.txt", "list_eval_partition.txt"])
def test_a_file_that_is_not_there_or_empty(tmp_path: Path, file: str) -> None:
    config = layout(tmp_path)
    (tmp_path / file).write_text("")
    assert f"{file} is empty" in refusal(config)
    (tmp_path / file).rename(tmp_path / f"{file}.orig")
    said = refusal(config)
    assert f"prepare.celeba.root: {tmp_path / file} does not exist" in said
    assert f"did you mean '{file}.orig'?" in said


def test_another_encoding(tmp_path: Path) -> None:
    config = layout(tmp_path)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(path.read_bytes().replace(b"Male", b"M\xe4le"))
    assert "list_attr_celeba.txt is not UTF-8 (first at byte 32)" in refusal(config)
    assert "iconv -f latin1 -t utf-8" in refusal(config)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    config = layout(tmp_path)
    assert "nowhere/img_align_celeba is not a folder" in refusal(
        replace(config, root=str(tmp_path / "nowhere"))
    )
    (tmp_path / "img_align_celeba").rename(tmp_path / "img_aligned_celeba")
    assert "did you mean 'img_aligned_celeba'?" in refusal(config)
    (tmp_path / "img_align_celeba").mkdir()
    assert "img_align_celeba holds no pictures like *.jpg" in refusal(config)
    Image.new("RGB", (8, 8)).save(tmp_path / "img_align_celeba" / "face.jpg")
    assert "no picture that list_attr_celeba.txt lists is in img_align_celeba" in refusal(config)


def test_one_class_needs_no_hiding(tmp_path: Path) -> None:
    config = layout(tmp_path)
    for number in (1, 2, 5):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    assert "prepare.celeba.private: 'Male' has 1 class\n" in refusal(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ()}, "prepare.celeba.private: empty"),
        ({"utility": ("Young", "Young")}, "prepare.celeba.utility: 'Young' twice"),
        ({"private": ("split",)}, "any name but record, person, split"),
        ({"size": 4}, "prepare.celeba.size: 4"),
    ],
)
def test_wrong_settings(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        CelebaConfig(**change)
    assert words in str(refused.value)


def test_a_folder_with_its_readme_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("where to get it\n")
    said = refusal(CelebaConfig(root=str(tmp_path)))
    assert f"{tmp_path}/img_align_celeba is not a folder here" in said
    assert "README.md in data/ shows the layout" in said
