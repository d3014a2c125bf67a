"""The LFW reader: labels from scores, people, images, and files not as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from tests.helpers.pictures import striped
from tiprdc.datasets.lfw import LfwConfig, lfw_reader
from tiprdc.datasets.schema import Attribute
from tiprdc.errors import ConfigError, DataError

NAMES = ("Male", "Asian", "White", "Black", "Mouth Slightly Open", "Indian")
ROWS = (
    ("Aaron Eckhart", 1, (1.5, -1.8, 1.7, -0.9, 0.1, -2.0)),
    ("Abba Eban", 1, (0.2, -1.1, -0.2, -0.3, -0.1, -0.1)),
    ("Abba Eban", 2, (-0.1, -2.0, 0.9, -1.0, 0.0, -3.0)),
    ("Mia Hamm", 10, (-1.5, -1.8, -1.7, 0.9, 1e-3, 0.8)),
)


def write_layout(folder: Path, pictures: str = "lfw_funneled") -> LfwConfig:
    """Four images of three people, as published."""
    lines = ["# LFW attributes", "#\tperson\timagenum\t" + "\t".join(NAMES)]
    for number, (name, picture, scores) in enumerate(ROWS):
        lines.append("\t".join([name, str(picture), *map(str, scores)]))
        person = name.replace(" ", "_")
        path = folder / pictures / person / f"{person}_{picture:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        striped((250, 250), (50 * number, 0, 0)).save(path)
    (folder / "lfw_attributes.txt").write_text("\n".join(lines) + "\n")
    (folder / "README.md").write_text("where it came from\n")
    return LfwConfig(root=str(folder), utility=("Mouth Slightly Open",), size=8)


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "lfw_attributes.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def error_message(config: LfwConfig) -> str:
    with pytest.raises(DataError) as error:
        lfw_reader(config).index()
    assert "expected: " in str(error.value)
    return str(error.value)


def test_published_files_give_labels_people_and_pixels(tmp_path: Path) -> None:
    reader = lfw_reader(write_layout(tmp_path))
    index = reader.index()
    assert index.attributes == (
        Attribute(name="Male", classes=("no", "yes")),
        Attribute(name="Mouth Slightly Open", classes=("no", "yes")),
    )
    records = index.records
    assert records["Male"].tolist() == [1, 1, 0, 0]
    assert records["Mouth Slightly Open"].tolist() == [1, 0, 0, 1]
    assert records["person"].tolist() == ["Aaron_Eckhart", "Abba_Eban", "Abba_Eban", "Mia_Hamm"]
    assert records["record"].tolist()[3] == "Mia_Hamm/Mia_Hamm_0010.jpg"
    assert "split" not in records
    assert index.notes == ()
    batch = reader.read(records, reader.fit(records))
    assert batch.x.shape == (4, 3, 8, 8)
    np.testing.assert_allclose(batch.x[:, 0, 4, 1], 50 * np.arange(4), atol=3)


def test_class_of_a_group_has_the_highest_score(tmp_path: Path) -> None:
    index = lfw_reader(
        replace(write_layout(tmp_path), private=("race",), utility=("Male",))
    ).index()
    race = index.attributes[0]
    assert race.classes == ("Black", "Indian", "White")
    assert [race.classes[n] for n in index.records["race"]] == ["White", "Indian", "White", "Black"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#\tperson", "person"),
        ("#\tperson", "# person"),
        ("# LFW attributes\n", ""),
        ("# LFW attributes\n", "# LFW\n# version\n#\n"),
        ("Mia Hamm", "Mia_Hamm"),
        ("-2.0\n", "-2.0\t\n"),
    ],
)
def test_variants_of_the_score_file_are_read(tmp_path: Path, old: str, new: str) -> None:
    config = write_layout(tmp_path)
    edit(tmp_path, old, new)
    assert lfw_reader(config).index().records["Male"].tolist() == [1, 1, 0, 0]


def test_images_without_scores_and_scores_without_images_are_counted(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    pictures = tmp_path / "lfw_funneled"
    (pictures / "Abba_Eban" / "Abba_Eban_0001.jpg").unlink()
    for number in (11, 12):
        Image.new("RGB", (8, 8)).save(pictures / "Mia_Hamm" / f"Mia_Hamm_{number:04d}.jpg")
    index = lfw_reader(config).index()
    assert index.records["Male"].tolist() == [1, 0, 0]
    assert index.notes == (
        "1 of 4 pictures with scores are not there.",
        "2 of 5 pictures have no scores and are left out.",
    )


def test_folder_of_images_is_unique_or_named(tmp_path: Path) -> None:
    config = write_layout(tmp_path, "lfw-deepfunneled")
    (tmp_path / "lfw").mkdir()
    message = error_message(config)
    assert "contains the folders lfw, lfw-deepfunneled" in message
    assert "name one of them in prepare.lfw.folder" in message
    chosen = replace(config, folder="lfw-deepfunneled")
    assert len(lfw_reader(chosen).index().records) == 4
    near = error_message(replace(config, folder="lfw-deepfunnelled"))
    assert "did you mean 'lfw-deepfunneled'?" in near
    assert "lfw contains no images */*.jpg" in error_message(replace(config, folder="lfw"))
    Image.new("RGB", (8, 8)).save(tmp_path / "lfw-deepfunneled" / "x.jpg")
    assert "contains no folder lfw*" in error_message(replace(config, root=str(tmp_path / "lfw")))


def test_images_of_other_people_are_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    (tmp_path / "lfw_funneled").rename(tmp_path / "old")
    (tmp_path / "lfw" / "Nobody").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "lfw" / "Nobody" / "Nobody_0001.jpg")
    assert "no image that lfw_attributes.txt lists is in" in error_message(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ("male",)}, "prepare.lfw.private: lfw_attributes.txt has no column 'male'"),
        ({"private": ("male",)}, "one of race, Male, Asian, White"),
        ({"private": ("male",)}, "did you mean 'Male'"),
        ({"utility": ("Mouth_Slightly_Open",)}, "did you mean 'Mouth Slightly Open'"),
        # Its scores are not in this file.
        ({"utility": ("age",)}, "prepare.lfw.utility: lfw_attributes.txt has no column 'age'"),
    ],
)
def test_unknown_attribute_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    assert words in error_message(replace(write_layout(tmp_path), **change))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("#\tperson\timagenum", "#\tname\tnumber", "does not name its columns before its rows"),
        ("#\tperson\timagenum", "#  person  imagenum", "does not name its columns before"),
        ("1.5\t-1.8", "1.5 -1.8", "line 3, has 7 fields"),
        ("0.2\t-1.1", "high\t-1.1", "line 4, has no number for Male"),
        ("0.2\t-1.1", "nan\t-1.1", "line 4, has no number for Male"),
        ("0.8\n", "inf\n", "line 6, has no number for Asian or Black or Indian or White"),
        ("Abba Eban\t2", "Abba Eban\t1", "lists 1 images twice: Abba_Eban/Abba_Eban_0001.jpg"),
        ("Abba Eban\t2", "Abba Eban\tx", "line 5, has no number for imagenum"),
    ],
)
def test_file_not_as_published_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    config = replace(write_layout(tmp_path), utility=("race",))
    edit(tmp_path, old, new)
    message = error_message(config)
    assert message.startswith("prepare.lfw.root: lfw_attributes.txt")
    assert words in message


def test_absent_file_and_other_encoding_are_refused(tmp_path: Path) -> None:
    config = write_layout(tmp_path)
    path = tmp_path / "lfw_attributes.txt"
    path.write_bytes(path.read_bytes().replace(b"Aaron", b"A\xe4ron"))
    assert "lfw_attributes.txt, line 3, is not UTF-8" in error_message(config)
    path.unlink()
    assert "lfw_attributes.txt does not exist" in error_message(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ()}, "prepare.lfw.private: empty"),
        ({"utility": ("Male", "Male")}, "prepare.lfw.utility: 'Male' twice"),
        ({"size": 1000}, "prepare.lfw.size: 1000"),
    ],
)
def test_invalid_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        LfwConfig(**change)
    assert words in str(error.value)


def test_folder_with_only_a_readme_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("where to get it\n")
    message = error_message(LfwConfig(root=str(tmp_path)))
    assert f"{tmp_path} contains no folder lfw*" in message
    assert "data/lfw/README.md shows the layout" in message
