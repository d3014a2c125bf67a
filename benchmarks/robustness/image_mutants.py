"""Makes pictures of many kinds, and breaks them: what people's folders hold, and worse."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

KINDS = (
    ("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("MPO", "RGB"), ("PNG", "1"), ("PNG", "L"),
    ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "I;16"), ("GIF", "P"),
    ("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "1"), ("TIFF", "CMYK"), ("TIFF", "F"),
    ("TIFF", "I;16"), ("TIFF", "LAB"), ("TIFF", "RGB"), ("TIFF", "RGBA"), ("BMP", "RGB"),
    ("PPM", "L"), ("PPM", "RGB"), ("JPEG2000", "RGB"), ("ICO", "RGBA"),
)  # fmt: skip
"""Format and mode of the valid pictures."""
ENDINGS = (".jpg", ".JPG", ".png", ".tif", ".gif", ".webp", ".heic", ".bin", "")
ANIMATED = ("GIF", "WEBP", "PNG", "TIFF", "MPO")
_SIZE = (40, 28)


def picture(rng: np.random.Generator) -> bytes:
    """A valid picture of a random kind, sometimes with an orientation or several frames."""
    kind, mode = KINDS[rng.integers(len(KINDS))]
    options: dict[str, object] = {}
    if kind == "MPO" or (kind in ANIMATED and mode != "F" and rng.random() < 0.3):
        options = {"save_all": True, "append_images": [_noise(rng, mode)]}
    if kind in ("JPEG", "PNG", "WEBP", "TIFF") and not options:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(0, 12))
        options["exif"] = exif
    buffer = io.BytesIO()
    _noise(rng, mode).save(buffer, kind, **options)
    return buffer.getvalue()


def mutant(rng: np.random.Generator) -> bytes:
    """A picture that was cut, overwritten, spliced with another or given a huge size."""
    data = picture(rng)
    change = rng.integers(6)
    if change == 0:
        return data[: int(rng.integers(len(data)))]
    if change == 1:
        changed = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(len(data), size=rng.integers(1, 12))
        changed[places] = rng.integers(256, size=len(places))
        return changed.tobytes()
    if change == 2:
        cut = int(rng.integers(min(len(data), 64)))
        return picture(rng)[:cut] + data[cut:]
    if change == 3:
        return huge(int(rng.integers(1, 2**31)), int(rng.integers(1, 2**31)))
    if change == 4:
        return rng.bytes(int(rng.integers(200)))
    return data


def huge(width: int, height: int) -> bytes:
    """A PNG of few bytes that claims this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _noise(rng: np.random.Generator, mode: str) -> Image.Image:
    width, height = _SIZE
    if mode == "I;16":
        return Image.fromarray(rng.integers(2**16, size=(height, width), dtype=np.uint16))
    if mode == "F":
        return Image.fromarray(rng.random((height, width), dtype=np.float32))
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width) if bands == 1 else (height, width, bands)
    pixels = rng.integers(256, size=shape, dtype=np.uint8)
    if mode in ("1", "P"):
        return Image.fromarray(pixels).convert(mode)
    return Image.frombytes(mode, _SIZE, pixels.tobytes())
