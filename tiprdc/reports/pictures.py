"""Reads `pictures.npz` of an audit as data URIs for its page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tiprdc.errors import DataError

MOST_PEOPLE = 8
"""People whose pictures fit beside one another."""
LABELS = {
    "record": "Record",
    "unprotected": "Rebuilt from unprotected features",
    "released": "Rebuilt from this release",
}


def read_pictures(path: Path) -> dict[str, list[str]]:
    """PNG data URIs by kind, the keys of `LABELS`; empty if there is no such file.

    Raises:
        DataError: An array is not uint8 `[N, C, H, W]` with 1 or 3 channels.
    """
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {kind: file[kind][:MOST_PEOPLE] for kind in LABELS if kind in file}
    except (OSError, ValueError) as error:
        raise DataError(str(path), "cannot be read as pictures", "an .npz of arrays") from error
    for kind, array in arrays.items():
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3):
            given = f"{kind} is {array.dtype} {list(array.shape)}"
            raise DataError(str(path), given, "uint8 [N, 1 or 3, H, W]")
    return {kind: [_data_uri(picture) for picture in array] for kind, array in arrays.items()}


def _data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture `[C, H, W]` as a PNG data URI."""
    pixels = picture.transpose(1, 2, 0)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
