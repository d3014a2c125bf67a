"""Changed copies of pictures: further queries to the extractor, which ships with the release.

An attacker who holds pictures and the extractor can send several versions of each picture through
it, and learn from the features of all of them; so the head is trained on them too. The changes keep
who is in the picture. They need not keep every task: a mirrored picture has another side, and a
shifted one another place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VIEWS = 3
"""Copies of each picture."""
SHIFT = 1 / 16
"""Largest shift, as a share of the side."""
BRIGHTNESS = (0.8, 1.2)
"""Range of the factor by which a picture is relit."""


def views(x: NDArray[np.uint8], seed: int, first: int = 0) -> list[NDArray[np.uint8]]:
    """Mirrored; shifted, with the border repeated; relit.

    Args:
        x: Pictures `[N, C, H, W]`.
        seed: Draws the shift and the light of each picture.
        first: Number of the first picture, if x is a part of many: copies are those of the whole.

    Returns:
        `VIEWS` arrays like x, each with one copy of every picture.
    """
    # Three numbers a picture, in [0, 1): row by row, so that a part has the whole's.
    bits = np.random.PCG64([seed, 5])
    bits.advance(3 * first)
    drawn = np.random.Generator(bits).random((len(x), 3))
    return [np.ascontiguousarray(x[..., ::-1]), _shifted(x, drawn[:, :2]), _relit(x, drawn[:, 2])]


def _shifted(x: NDArray[np.uint8], drawn: NDArray[np.float64]) -> NDArray[np.uint8]:
    height, width = x.shape[2:]
    most = max(1, round(SHIFT * min(height, width)))
    down, right = (np.floor(drawn * (2 * most + 1)).astype(int) - most).T[:, :, None]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    pictures = np.arange(len(x))[:, None, None]
    moved: NDArray[np.uint8] = x.transpose(0, 2, 3, 1)[
        pictures, rows[:, :, None], columns[:, None, :]
    ]
    return np.asarray(np.ascontiguousarray(moved.transpose(0, 3, 1, 2)), np.uint8)


def _relit(x: NDArray[np.uint8], drawn: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = BRIGHTNESS
    factor = (low + (high - low) * drawn).astype(np.float32)[:, None, None, None]
    return np.asarray(np.clip(np.rint(x * factor), 0, 255), np.uint8)
