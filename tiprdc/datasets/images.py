"""Decodes pictures as RGB arrays of one size: the one decoder of `prepare`, audits and devices.

A picture is recognised by its content, never by its name. The first frame of an animation counts.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import logging
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tiprdc.datasets.record_files import UnusableFileError, require_file

BACKGROUNDS = {"white": "#ffffff", "grey": "#808080", "black": "#000000"}
"""Colours that transparent pixels can be shown on."""
WHITE = BACKGROUNDS["white"]
"""The one unless settings or a release state another."""
RESIZE: Literal["bilinear"] = "bilinear"
ORIENTATION: Literal["exif"] = "exif"
DEEP_GREY: Literal["upper 8 bits"] = "upper 8 bits"
"""What a release's manifest states of the decoding, beside size and background."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF", "AVIF", "HEIF")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
_OTHER_FORMATS = {
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "an icon",
    b"<svg": "SVG",
}
_SIGNATURES = (
    b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    *(b"P%d" % n for n in range(1, 7)), b"Pf", b"Py",
)  # fmt: skip
_HEAD = 32
_EMPTY_BITS = 4
# Else Pillow's warnings about a file go to standard error, without its name.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_image(source: Path | bytes, size: int, background: str = WHITE) -> NDArray[np.uint8]:
    """Read one picture, turned upright by its EXIF and stretched to a square, bilinearly.

    Any mode becomes RGB. Transparent pixels are shown on the background. Grey of 9 to 16 bits keeps
    its upper 8 bits; grey of more bits, floating-point, or with empty upper bits has no known scale
    and is refused.

    Args:
        source: The file, or its bytes.
        size: Height and width of the result in pixels.
        background: `#rrggbb`.

    Returns:
        `[3, size, size]`.

    Raises:
        UnusableFileError: It cannot be decoded, or all its pixels have one colour.
    """
    if isinstance(source, Path):
        require_file(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            pixels = _decode(source, size, background)
        except (UnusableFileError, KeyboardInterrupt):
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            reason = f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
            raise UnusableFileError(reason) from None
        except UnidentifiedImageError:
            raise UnusableFileError(_unknown_format(_head(source))) from None
        # A decoder may raise any exception on a broken file, and may quote the file in it.
        except Exception:
            raise UnusableFileError("a broken picture") from None
    if (pixels == pixels[:1, :1]).all():
        raise UnusableFileError("of one colour")
    return pixels.transpose(2, 0, 1)


def is_picture(source: Path | bytes) -> bool:
    """Whether a file, or its bytes, begins as a picture does, of a format that is read or not."""
    try:
        head = _head(source)
    except (OSError, ValueError):
        return False
    return head.startswith(_SIGNATURES) or _unknown_format(head) != _NO_PICTURE


def _decode(source: Path | bytes, size: int, background: str) -> NDArray[np.uint8]:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(file, formats=_formats()) as image:
        deep = _deep_grey(image)
        image.draft("RGB", (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image)
        rgb = _on_background(upright if deep is None else _grey(upright, **deep), background)
        return np.asarray(rgb.resize((size, size), Image.Resampling.BILINEAR))


def _deep_grey(image: Image.Image) -> dict[str, Any] | None:
    """How to read grey of more than 8 bits; None for any other picture.

    Raises:
        UnusableFileError: The scale of its values is not known.
    """
    if not image.mode.startswith(("I", "F")):
        if _has_deep_colours(image) and "transparency" in image.info:
            raise UnusableFileError("16-bit colours with one transparent colour")
        return None
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(258, (16,))[0]
    known = image.mode.startswith("I;") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if not known or not 8 < bits <= 16:
        reason = "grey of more than 16 bits, or floating-point: its scale is not known"
        raise UnusableFileError(reason)
    return {"bits": bits, "inverted": tags.get(262) == 0}


def _has_deep_colours(image: Image.Image) -> bool:
    return any("16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _grey(image: Image.Image, *, bits: int, inverted: bool) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    # 12 bits in a file of 16 would be read as almost black.
    if values.max() < 2 ** (bits - _EMPTY_BITS):
        reason = f"grey whose upper {_EMPTY_BITS} bits are empty: its scale is not known"
        raise UnusableFileError(reason)
    # A fully transparent grey level is stated in the picture's own bits.
    alpha = np.where(values == image.info.get("transparency", -1), 0, 255)
    levels = ((2**bits - 1 - values if inverted else values) >> (bits - 8)).clip(0, 255)
    bands = [Image.fromarray(band.astype(np.uint8)) for band in (levels, alpha)]
    return Image.merge("LA", bands)


def _on_background(image: Image.Image, background: str) -> Image.Image:
    if not image.has_transparency_data:
        return _convert(image, "RGB")
    shown = image if image.mode == "RGBA" else _convert(image, "RGBA")
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(shown, mask=shown)
    return canvas


def _convert(image: Image.Image, mode: str) -> Image.Image:
    try:
        return image.convert(mode)
    except ValueError:
        raise UnusableFileError(f"colours of mode {image.mode}, which are not read") from None


@functools.cache
def _formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read on this machine."""
    if importlib.util.find_spec("pillow_heif"):
        importlib.import_module("pillow_heif").register_heif_opener()
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:_HEAD]
    if not source.is_file():
        return b""
    with source.open("rb") as file:
        return file.read(_HEAD)


_NO_PICTURE = "not a picture"


def _unknown_format(head: bytes) -> str:
    """Why Pillow recognises nothing in a file that begins so."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in _HEIC and not importlib.util.find_spec("pillow_heif"):
        return "a HEIC picture: install pillow-heif to read it"
    if brand in _AVIF:
        return "an AVIF picture: install pillow 11.3 or newer to read it"
    for start, name in _OTHER_FORMATS.items():
        if head.startswith(start):
            return f"of a format that is not read ({name}): convert it to PNG"
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    if brand in _HEIC or is_webp or head.startswith(_SIGNATURES):
        return "a broken picture"
    return _NO_PICTURE
