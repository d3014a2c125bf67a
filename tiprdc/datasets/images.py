"""Picture files as arrays of one size and one mode."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tiprdc.errors import DataError, suggestion

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""Names by which a column of picture paths is recognised."""
_SEE = "check the path; the data set's README.md in data/ shows the layout"
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")


def read_picture(path: Path, size: int) -> NDArray[np.uint8] | None:
    """One picture `[3, size, size]`, upright, stretched to a square; None if it cannot be read.

    Any mode becomes RGB: transparency is dropped, 16-bit grey keeps its upper byte.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=_FORMATS) as picture:
                picture.draft("RGB", (2 * size, 2 * size))
                upright = ImageOps.exif_transpose(picture)
                if upright.mode.startswith("I"):
                    grey = np.asarray(upright).astype(np.uint32) >> 8
                    upright = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
                small = upright.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        # A decoder may raise anything on a broken file; whoever asked counts it and names it.
        except Exception:
            return None
    return np.asarray(small).transpose(2, 0, 1)


def list_pictures(folder: Path, pattern: str, where: str) -> set[str]:
    """Paths of the pictures in a folder, relative to it, with slashes.

    Args:
        folder: Where to look.
        pattern: What their paths are like, e.g. `*.jpg` or `*/*.jpg`.
        where: The key that leads to the folder, for messages.

    Raises:
        DataError: The folder is not there, or holds none.
    """
    if not folder.is_dir():
        near = suggestion(folder.name, [p.name for p in folder.parent.glob("*") if p.is_dir()])
        given = f"{folder} is not a folder here"
        raise DataError(where, given, "a folder of pictures", near or _SEE)
    found = {path.relative_to(folder).as_posix() for path in folder.glob(pattern)}
    if not found:
        raise DataError(
            where,
            f"{folder} holds no pictures like {pattern}",
            "pictures laid out as published",
            f"unpack the pictures there; {_SEE}",
        )
    return found
