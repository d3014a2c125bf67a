"""The CelebA reader: labels, identities, splits, images, and files not as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from tests.helpers.pictures import striped
from tiprdc.datasets.celeba import CelebaConfig, celeba_reader
from tiprdc.datasets.schema import Attribute
from tiprdc.errors import ConfigError, DataError

NAMES = ("5_o_Clock_Shadow", "Eyeglasses", "Male", "Smiling")
ROWS = ("-1 -1  1 -1", " 1 -1  1  1", "-1  1 -1 -1", "-1 -1 -1  1", "-1  1  1 -1", "-1 -1 -1  1")
CODES = (0, 0, 0, 1, 2, 2)
PEOPLE = (7, 7, 8, 9, 10, 11)


def write_layout(folder: Path) -> CelebaConfig:
    """Six images of five people, as published."""
    images = folder / "img_align_celeba"
    images.mkdir()
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for number, name in enumerate(names):
        striped((178, 218), (40 * number, 0, 0)).save(images / name)
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


def error_message(config: CelebaConfig) -> str:
    with pytest.raises(DataError) as error:
        celeba_reader(config).index()
    assert "expected: " in str(error.value)
    return str(error.value)


def test_published_files_give_labels_splits_and_pixels(tmp_path: Path) -> None:
    reader = celeba_reader(write_layout(tmp_path))
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
    np.testing.assert_allclose(batch.x[:, 0, 4, 1], 40 * np.arange(6), atol=3)
    assert batch.readable.all()


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    for file in tmp_path.glob("*.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(celeba_reader(config).index().records) == 6


def test_absent_images_are_counted_in_a_note(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    for number in (2, 3):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    index = celeba_reader(config).index()
    assert len(index.records) == 4
    assert index.records["Male"].tolist() == [1, 0, 1, 0]
    assert index.notes == ("2 of 6 listed pictures are not there.",)


def test_images_of_two_official_splits_are_divided_at_random(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    for number in (5, 6):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    index = celeba_reader(config).index()
    assert "split" not in index.records
    assert index.notes[1] == (
        "The pictures are of the official train and val split alone: their people are divided at "
        "random."
    )


def test_without_identities_each_image_is_a_person(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    note = ("No identities: each picture is a person of its own.",)
    ignored = celeba_reader(replace(config, identity=False)).index()
    (tmp_path / "identity_CelebA.txt").unlink()
    absent = celeba_reader(config).index()
    assert ignored.notes == absent.notes == note
    assert ignored.records["person"].nunique() == absent.records["person"].nunique() == 6


def test_partition_file_is_optional_without_official_split(tmp_path: Path) -> None:
    config = replace(write_layout(tmp_path), split=False)
    (tmp_path / "list_eval_partition.txt").unlink()
    index = celeba_reader(config).index()
    assert "split" not in index.records
    assert index.notes == ()


def test_broken_grey_and_transparent_images(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    images = tmp_path / "img_align_celeba"
    (images / "000001.jpg").write_bytes(b"\xff\xd8\xff")
    striped((30, 9), 77, "L").save(images / "000002.jpg")
    hidden = Image.new("RGBA", (9, 40), (5, 6, 7, 0))
    hidden.paste((5, 6, 7, 255), (4, 0, 9, 40))
    hidden.save(images / "000003.jpg", format="PNG")
    reader = celeba_reader(config)
    records = reader.index().records
    batch = reader.read(records, reader.fit(records))
    assert batch.readable.tolist() == [False, *[True] * 5]
    assert batch.x[1, :, 0, 0].tolist() == [77, 77, 77]
    assert batch.x[2, :, 0, 0].tolist() == [255, 255, 255]
    assert batch.x[2, :, 0, 7].tolist() == [5, 6, 7]


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
def test_unknown_attribute_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    assert words in error_message(replace(write_layout(tmp_path), **change))


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("list_attr_celeba.txt", "6\n", "7\n", "has 6 rows, but its first line says 7"),
        ("list_attr_celeba.txt", "6\n", "", "does not begin with the number of images"),
        ("list_attr_celeba.txt", "1 -1 \n", "1\n", "line 3, is not an image with 4 attributes"),
        ("list_attr_celeba.txt", "1  1 \n", "1  2 \n", "line 4, is not an image with 4"),
        ("list_attr_celeba.txt", "000002", "000001", "lists 1 images twice: 000001.jpg"),
        ("list_eval_partition.txt", "jpg 1\n", "jpg 3\n", "line 4, is not an image with a known"),
        ("list_eval_partition.txt", "jpg 1\n", "jpg 3\n", "0 (train), 1 (val), 2 (test)"),
        ("list_eval_partition.txt", "000004.jpg 1\n", "", "lacks 1 images of list_attr_celeba"),
        ("list_eval_partition.txt", "000004.jpg 1\n", "", "prepare.celeba.split to false"),
        ("list_eval_partition.txt", "000004", "000005", "lists 1 images twice: 000005.jpg"),
        ("identity_CelebA.txt", "jpg 9\n", "jpg nine\n", "then the number of a person"),
        (
            "identity_CelebA.txt",
            "000004",
            "000044",
            "lacks 1 images of list_attr_celeba.txt: 000",
        ),
    ],
)
def test_file_not_as_published_is_refused(
    tmp_path: Path, file: str, old: str, new: str, words: str
) -> None:
    config = write_layout(tmp_path)
    edit(tmp_path / file, old, new)
    message = error_message(config)
    assert message.startswith(f"prepare.celeba.root: {file}")
    assert words in message


@pytest.mark.parametrize("file", ["list_attr_celeba.txt", "list_eval_partition.txt"])
def test_absent_or_empty_file_is_refused(tmp_path: Path, file: str) -> None:
    config = write_layout(tmp_path)
    (tmp_path / file).write_text("")
    assert f"{file} is empty" in error_message(config)
    (tmp_path / file).rename(tmp_path / f"{file}.orig")
    message = error_message(config)
    assert f"prepare.celeba.root: {tmp_path / file} does not exist" in message
    assert f"did you mean '{file}.orig'?" in message


def test_other_encoding_is_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(path.read_bytes().replace(b"Male", b"M\xe4le"))
    assert "list_attr_celeba.txt, line 2, is not UTF-8" in error_message(config)
    assert "iconv -f cp1252 -t utf-8" in error_message(config)


def test_absent_or_empty_folders_are_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    assert "nowhere/img_align_celeba is not a folder" in error_message(
        replace(config, root=str(tmp_path / "nowhere"))
    )
    (tmp_path / "img_align_celeba").rename(tmp_path / "img_aligned_celeba")
    assert "did you mean 'img_aligned_celeba'?" in error_message(config)
    (tmp_path / "img_align_celeba").mkdir()
    assert "img_align_celeba contains no images *.jpg" in error_message(config)
    Image.new("RGB", (8, 8)).save(tmp_path / "img_align_celeba" / "face.jpg")
    assert "no image that list_attr_celeba.txt lists is in img_align_celeba" in error_message(
        config
    )


def test_attribute_with_one_class_is_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    for number in (1, 2, 5):
        (tmp_path / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    assert "prepare.celeba.private: 'Male' has 1 class\n" in error_message(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ()}, "prepare.celeba.private: empty"),
        ({"utility": ("Young", "Young")}, "prepare.celeba.utility: 'Young' twice"),
        ({"private": ("split",)}, "any name but record, person, split"),
        ({"size": 4}, "prepare.celeba.size: 4"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        CelebaConfig(**change)
    assert words in str(error.value)


def test_folder_with_only_a_readme_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("where to get it\n")
    message = error_message(CelebaConfig(root=str(tmp_path)))
    assert f"{tmp_path}/img_align_celeba is not a folder on this machine" in message
    assert "README.md in data/ shows the layout" in message
