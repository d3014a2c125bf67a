"""Image files as RGB arrays of one size, or None."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiprdc.datasets.images import read_image


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_any_mode_becomes_rgb_of_the_requested_size(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    path = save(tmp_path / f"a.{kind}", Image.new(mode, (50, 20)))
    image = read_image(path, 16)
    assert image is not None
    assert image.shape == (3, 16, 16)
    assert image.dtype == np.uint8


def test_color_channels_are_in_rgb_order(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (9, 9), (10, 120, 250)))
    image = read_image(path, 8)
    assert image is not None
    assert image[:, 4, 4].tolist() == [10, 120, 250]


def test_16_bit_grey_keeps_its_upper_byte(tmp_path: Path) -> None:
    grey = np.full((8, 8), 0x80FF, dtype=np.uint16)
    image = read_image(save(tmp_path / "a.png", Image.fromarray(grey)), 8)
    assert image is not None
    assert set(image.ravel().tolist()) == {0x80}


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    lying = Image.new("L", (16, 16))
    lying.paste(255, (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(save(tmp_path / "a.png", lying, exif=exif), 16)
    assert image is not None
    assert image[0, 2].min() == 255
    assert image[0, 13].max() == 0


def test_unreadable_file_gives_none(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    broken = {
        "truncated.jpg": buffer.getvalue()[:-900],
        "header.jpg": buffer.getvalue()[:30],
        "empty.jpg": b"",
        "text.png": b"not a image",
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    assert [read_image(tmp_path / name, 8) for name in broken] == [None] * len(broken)
    assert read_image(tmp_path / "absent.jpg", 8) is None
    assert read_image(tmp_path, 8) is None


def test_format_is_recognized_by_content_not_by_name(
    tmp_path: Path,
) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "a.png", "GIF")
    assert read_image(tmp_path / "a.png", 8) is None


def test_oversized_image_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.new("L", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read_image(path, 8) is None
