"""Picture files as arrays of one size and one mode."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""Names by which a column of picture paths is recognised."""
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
