"""Fixtures for pictures and texts: a signal in a pattern, or in the order of two words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 16
"""Side of the pictures in pixels."""
TOKENS = 12
"""Tokens of a text."""
VOCABULARY = 30
"""Number of token ids."""
_FIRST, _SECOND = 1, 2


def plant_pattern(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures `[N, 3, 16, 16]` with one white bar: horizontal, or vertical for signal 1."""
    x = rng.integers(0, 200, size=(len(signal), 3, SIDE, SIDE)).astype(np.uint8)
    bar = np.zeros((len(signal), SIDE), dtype=bool)
    place = rng.integers(0, SIDE - 1, size=len(signal))
    rows = np.arange(len(signal))
    bar[rows, place] = bar[rows, place + 1] = True
    vertical = (signal == 1)[:, None, None]
    white = np.where(vertical, bar[:, None, :], bar[:, :, None])
    x[np.broadcast_to(white[:, None], x.shape)] = 255
    return x


def read_pattern(x: NDArray[Any]) -> NDArray[np.int64]:
    """Whether a whole column of pixels is white."""
    return np.asarray((x[:, 0] == 255).all(axis=1).any(axis=1), dtype=np.int64)


def plant_order(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
    """Token ids `[N, 12]` with 1 and 2 next to each other, in this order or the reverse.

    The words themselves carry no signal: every text has both, once.
    """
    ids = rng.integers(_SECOND + 1, VOCABULARY, size=(len(signal), TOKENS))
    rows, place = np.arange(len(signal)), rng.integers(TOKENS - 1, size=len(signal))
    ids[rows, place] = np.where(signal == 1, _FIRST, _SECOND)
    ids[rows, place + 1] = np.where(signal == 1, _SECOND, _FIRST)
    return ids.astype(np.int32)


def read_order(ids: NDArray[Any]) -> NDArray[np.int64]:
    """Whether 1 comes before 2."""
    before = np.argmax(ids == _FIRST, axis=1) < np.argmax(ids == _SECOND, axis=1)
    return np.asarray(before, dtype=np.int64)
