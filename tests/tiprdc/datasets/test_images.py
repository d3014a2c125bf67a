from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiprdc.datasets.images import read_picture


def saved(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_any_mode_and_size_becomes_rgb_of_the_size(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    path = saved(tmp_path / f"a.{kind}", Image.new(mode, (50, 20)))
    picture = read_picture(path, 16)
    assert picture is not None
    assert picture.shape == (3, 16, 16)
    assert picture.dtype == np.uint8


def test_colours_arrive_in_order(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (9, 9), (10, 120, 250)))
    picture = read_picture(path, 8)
    assert picture is not None
    assert picture[:, 4, 4].tolist() == [10, 120, 250]


def test_sixteen_bit_grey_keeps_its_upper_byte(tmp_path: Path) -> None:
    grey = np.full((8, 8), 0x80FF, dtype=np.uint16)
    picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(grey)), 8)
    assert picture is not None
    assert set(picture.ravel().tolist()) == {0x80}


def test_a_picture_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    lying = Image.new("L", (16, 16))
    lying.paste(255, (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(saved(tmp_path / "a.png", lying, exif=exif), 16)
    assert picture is not None
    assert picture[0, 2].min() == 255
    assert picture[0, 13].max() == 0


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    broken = {
        "truncated.jpg": buffer.getvalue()[:-900],
        "header.jpg": buffer.getvalue()[:30],
        "empty.jpg": b"",
        "text.png": b"not a picture",
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    assert [read_picture(tmp_path / name, 8) for name in broken] == [None] * len(broken)
    assert read_picture(tmp_path / "absent.jpg", 8) is None
    assert read_picture(tmp_path, 8) is None


def test_a_format_that_is_not_named_is_not_decoded_whatever_the_file_is_called(
    tmp_path: Path,
) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "a.png", "GIF")
    assert read_picture(tmp_path / "a.png", 8) is None


def test_a_picture_too_large_to_be_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.png", Image.new("L", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read_picture(path, 8) is None
