"""Reads image files as RGB arrays of one size, and lists the image files of a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tiprdc.errors import DataError, suggestion

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings by which a file or a column of paths is recognised as images."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")
_LAYOUT_HINT = "the data set's README.md in data/ shows the layout"


def read_image(path: Path, size: int) -> NDArray[np.uint8] | None:
    """Read one image, turned upright and stretched to a square.

    Any mode becomes RGB: transparency is dropped, 16-bit grey keeps its upper byte.

    Args:
        path: The file.
        size: Height and width of the result in pixels.

    Returns:
        `[3, size, size]`, or None if the file cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=_FORMATS) as image:
                image.draft("RGB", (2 * size, 2 * size))
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith("I"):
                    grey = np.asarray(upright).astype(np.uint32) >> 8
                    upright = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
                small = upright.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        # A decoder may raise any exception on a broken file; callers count and name such files.
        except Exception:
            return None
    return np.asarray(small).transpose(2, 0, 1)


def list_images(folder: Path, pattern: str, where: str) -> set[str]:
    """Paths of the images in a folder, relative to it, with slashes.

    Args:
        folder: Where to look.
        pattern: Glob pattern of the paths, e.g. `*.jpg` or `*/*.jpg`.
        where: The key that leads to the folder, for messages.

    Raises:
        DataError: The folder does not exist, or no file in it matches.
    """
    if not folder.is_dir():
        near = suggestion(folder.name, [p.name for p in folder.parent.glob("*") if p.is_dir()])
        raise DataError(
            where,
            f"{folder} is not a folder on this machine",
            "a folder of images",
            near or f"check the path; {_LAYOUT_HINT}",
        )
    paths = {path.relative_to(folder).as_posix() for path in folder.glob(pattern)}
    if not paths:
        raise DataError(
            where,
            f"{folder} contains no images {pattern}",
            "images in the published layout",
            f"unpack the images there; {_LAYOUT_HINT}",
        )
    return paths
