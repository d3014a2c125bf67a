"""Picture files as RGB arrays of one size, as a viewer shows them, or a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.helpers.pictures import striped
from tiprdc.datasets import images
from tiprdc.datasets.images import is_picture, read_image
from tiprdc.datasets.record_files import UnusableFileError


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def data_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason(source: Path | bytes) -> str:
    with pytest.raises(UnusableFileError) as error:
        read_image(source, 8)
    return str(error.value)


def on_hidden(mode: str, hidden: tuple[int, ...]) -> Image.Image:
    """A grey square that is seen, on a ground of this colour that is not."""
    image = Image.new(mode, (32, 32), (*hidden, 0))
    image.paste((*[120] * len(hidden), 255), (8, 8, 24, 24))
    return image


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_any_mode_becomes_rgb_of_the_requested_size(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode == "CMYK" else "png"
    path = save(tmp_path / f"a.{kind}", striped((50, 20), 0, "L").convert(mode))
    image = read_image(path, 16)
    assert image.shape == (3, 16, 16)
    assert image.dtype == np.uint8


def test_color_channels_are_in_rgb_order(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", striped((9, 9), (10, 120, 250)))
    assert read_image(path, 8)[:, 4, 1].tolist() == [10, 120, 250]


@pytest.mark.parametrize(
    ("mode", "colors"),
    [("RGBA", ((200, 60, 60), (60, 60, 200))), ("LA", ((0,), (255,)))],
)
def test_hidden_pixels_do_not_count(mode: str, colors: tuple[tuple[int, ...], ...]) -> None:
    read = [read_image(data_of(on_hidden(mode, color)), 32) for color in colors]
    np.testing.assert_array_equal(read[0], read[1])
    assert read[0][:, 0, 0].tolist() == [255, 255, 255]
    assert read[0][:, 16, 16].tolist() == [120, 120, 120]
    black = read_image(data_of(on_hidden(mode, colors[0])), 32, "#000000")
    assert black[:, 0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_hidden_palette_color_does_not_count(kind: str) -> None:
    def picture(hidden: tuple[int, int, int]) -> bytes:
        image = Image.new("P", (32, 32), 0)
        image.putpalette([*hidden, 120, 120, 120])
        image.paste(1, (8, 8, 24, 24))
        return data_of(image, kind, transparency=0)

    red, blue = (read_image(picture(color), 32) for color in ((200, 0, 0), (0, 0, 200)))
    np.testing.assert_array_equal(red, blue)
    assert red[:, 0, 0].tolist() == [255, 255, 255]


def test_transparent_grey_level_of_16_bits_does_not_count() -> None:
    grey = np.full((16, 16), 0x1234, dtype=np.uint16)
    grey[4:12, 4:12] = 0x8000
    image = read_image(data_of(Image.fromarray(grey), transparency=0x1234), 16)
    assert image[0, 0, 0] == 255
    assert image[0, 8, 8] == 0x80


def grey16(low: int = 0, high: int = 0x80FF) -> NDArray[np.uint16]:
    grey = np.full((8, 8), high, dtype=np.uint16)
    grey[:, 4:] = low
    return grey


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_keeps_its_upper_bits(kind: str) -> None:
    image = read_image(data_of(Image.fromarray(grey16()), kind), 8)
    assert set(image.ravel().tolist()) == {0, 0x80}


@pytest.mark.parametrize("high", [255, 4095])
def test_grey_of_fewer_bits_than_its_file_says_is_refused(high: int) -> None:
    assert "upper 4 bits are empty" in reason(data_of(Image.fromarray(grey16(0, high))))


def test_white_is_zero_in_a_tiff_that_says_so() -> None:
    image = read_image(data_of(Image.fromarray(grey16()), "TIFF", tiffinfo={262: 0}), 8)
    assert set(image.ravel().tolist()) == {0xFF, 0x7F}


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_grey_without_a_known_scale_is_refused(dtype: type[np.generic]) -> None:
    grey = Image.fromarray(grey16(0, 1).astype(dtype))
    assert "its scale is not known" in reason(data_of(grey, "TIFF"))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (30, 20), 128),
        Image.new("RGBA", (30, 20), (1, 2, 3, 0)),
        Image.new("RGB", (30, 20), (255, 0, 0)),
    ],
)
def test_picture_of_one_color_is_refused(image: Image.Image) -> None:
    assert reason(data_of(image)) == "of one colour"


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    lying = Image.new("L", (16, 16))
    lying.paste(255, (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(save(tmp_path / "a.png", lying, exif=exif), 16)
    assert image[0, 2].min() == 255
    assert image[0, 13].max() == 0


def test_unreadable_file_has_a_reason_without_its_content(tmp_path: Path) -> None:
    buffer = data_of(Image.effect_noise((64, 64), 50), "JPEG")
    files = {
        "truncated.jpg": (buffer[:-900], "a broken picture"),
        "header.jpg": (buffer[:30], "a broken picture"),
        "empty.jpg": (b"", "an empty file"),
        "text.png": (b"not a image", "not a picture"),
        "drawing.png": (b"<svg xmlns='x'/>", "SVG"),
    }
    for name, (data, words) in files.items():
        (tmp_path / name).write_bytes(data)
        assert words in reason(tmp_path / name)
    assert reason(tmp_path / "absent.jpg") == "no such file"
    assert reason(tmp_path) == "not an ordinary file"


def heic(**options: object) -> bytes:
    """A picture as telephones take it: blue on the left, red on the right."""
    pytest.importorskip(
        "pillow_heif", reason="pillow-heif is not installed: pip install pillow-heif"
    ).register_heif_opener()
    image = Image.new("RGB", (64, 32), (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, 32, 32))
    return data_of(image, "HEIF", quality=90, **options)


def test_heic_is_read_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying, turned = read_image(heic(), 8), read_image(heic(exif=exif.tobytes()), 8)
    assert lying[2, 4, 1] > 150 < lying[0, 4, 6]
    assert turned[2, 1, 4] > 150 < turned[0, 6, 4]
    assert reason(heic()[:200]) == "a broken picture"


def test_heic_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(images, "_formats", lambda: ("JPEG", "PNG"))
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "phone.jpg"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    assert is_picture(path)
    assert reason(path) == "a HEIC picture: install pillow-heif to read it"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("name", ["a", "a.txt", "a.JFIF"])
def test_format_is_recognized_by_content_not_by_name(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data_of(striped((9, 9)), kind))
    assert is_picture(path)
    assert read_image(path, 8).shape == (3, 8, 8)
    assert not is_picture(b"plain text, and a long one")


def test_first_picture_of_several_is_read() -> None:
    first, second = striped((16, 16), (200, 0, 0)), striped((16, 16), (0, 0, 200))
    for kind in ("MPO", "GIF", "WEBP", "PNG"):
        data = data_of(first, kind, save_all=True, append_images=[second])
        image = read_image(data, 8)
        assert image[0, 4, 1] > 150 > image[2, 4, 1], kind


def test_oversized_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", striped((40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert reason(path) == "more than 1,000 pixels"


def test_format_without_its_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(striped((9, 9)), "WEBP")
    monkeypatch.setattr(images, "_formats", lambda: ("PNG",))
    assert reason(data) == "a broken picture"
