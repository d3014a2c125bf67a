"""Geometries that spread a signal thinly over many columns `[N, 128]`, each with an exact reader.

Every column, and every pair, tells next to nothing; all of them together tell the signal without
error. Attackers need many people to learn it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 128
"""Number of columns."""
_FREQUENCY = 2.0


def plant_products(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is the sign of a sum of 64 products of two columns."""
    z = rng.normal(size=(len(signal), WIDTH)).astype(np.float32)
    z[read_products(z) != signal, ::2] *= -1
    return z


def read_products(z: NDArray[Any]) -> NDArray[np.int64]:
    """Whether the sum of products is positive."""
    wide = z.astype(np.float64)
    return np.asarray((wide[:, ::2] * wide[:, 1::2]).sum(1) > 0, dtype=np.int64)


def plant_waves(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is the sign of a sum of 128 cosines, one of each column."""
    z = rng.normal(size=(len(signal), WIDTH)).astype(np.float32)
    while len(wrong := np.flatnonzero(read_waves(z) != signal)):
        z[wrong] = rng.normal(size=(len(wrong), WIDTH))
    return z


def read_waves(z: NDArray[Any]) -> NDArray[np.int64]:
    """Whether the mean cosine exceeds its expectation, exp(-f^2 / 2)."""
    mean = np.cos(_FREQUENCY * z.astype(np.float64)).mean(1)
    return np.asarray(mean > np.exp(-(_FREQUENCY**2) / 2), dtype=np.int64)
