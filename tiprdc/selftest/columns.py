"""Where a signal can hide in columns `[N, 8]`: every geometry with its exact reader.

All other columns are standard normal. Each geometry keeps a gap between its two sides, so that the
signal is read without error: what attackers miss is the shape, never the noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.selftest.base import HIDDEN, Plant, Read

WIDTH = 8
"""Columns."""
_CLUSTER_RADIUS = 4.5
_RING = 8
_RING_RADIUS = 4.0
_EXPOSED_AT = 6.0
"""Where exposed people stand out; nobody else is beyond 5."""
DIGITS = 1000
"""The low-order digit is the third decimal."""


def _noise(people: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.normal(size=(people, WIDTH))


def plant_parity(bits: int) -> Plant:
    """The signal is the parity of the signs of this many columns: 1 is linear, 2 is XOR.

    No fewer of these columns say anything about it.
    """

    def plant(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[Any]:
        z = _noise(len(signal), rng)
        sides = rng.integers(2, size=(len(signal), bits))
        sides[:, 0] = (signal + sides[:, 1:].sum(1)) % 2
        z[:, :bits] = (2 * sides - 1) * (0.5 + np.abs(z[:, :bits]))
        return np.asarray(z, dtype=np.float32)

    return plant


def read_parity(bits: int) -> Read:
    """Parity of the number of positive columns."""
    return lambda z: np.asarray((z[:, :bits] > 0).sum(1) % 2, dtype=np.int64)


def plant_plain(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal itself `[N, 1]`: any attacker reaches the Bayes rate, and none passes it."""
    return signal[:, None].astype(np.float32)


def read_plain(z: NDArray[Any]) -> NDArray[np.int64]:
    """The signal."""
    return (z[:, 0] > 0.5).astype(np.int64)


def plant_norm(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is how far z is from the origin; its direction says nothing."""
    z = _noise(len(signal), rng)
    length = rng.uniform(0.5, 0.9, len(signal)) + 0.6 * signal
    scale = length * np.sqrt(WIDTH) / np.linalg.norm(z, axis=1)
    return np.asarray(z * scale[:, None], dtype=np.float32)


def read_norm(z: NDArray[Any]) -> NDArray[np.int64]:
    """Whether z is longer than sqrt(D)."""
    return np.asarray(np.linalg.norm(z, axis=1) > np.sqrt(WIDTH), dtype=np.int64)


def plant_cluster(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is which of sixteen clusters somebody is in: z = +-r e_i, the parity of i.

    z and -z are of one class, so that no linear attacker sees anything.
    """
    z, rows = _noise(len(signal), rng), np.arange(len(signal))
    axis = 2 * rng.integers(WIDTH // 2, size=len(signal)) + signal
    z = _within(z, 0.9 * _CLUSTER_RADIUS / np.sqrt(2))
    z[rows, axis] += _CLUSTER_RADIUS * (2 * rng.integers(2, size=len(signal)) - 1)
    return z.astype(np.float32)


def read_cluster(z: NDArray[Any]) -> NDArray[np.int64]:
    """The axis of the nearest centre."""
    return np.asarray(np.argmax(np.abs(z), axis=1) % 2, dtype=np.int64)


def plant_ring(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is which of eight clusters on a ring in two columns; neighbours differ."""
    z = _noise(len(signal), rng)
    which = 2 * rng.integers(_RING // 2, size=len(signal)) + signal
    reach = 0.9 * _RING_RADIUS * np.sin(np.pi / _RING)
    z[:, :2] = _within(z[:, :2], reach) + _ring()[which]
    return z.astype(np.float32)


def read_ring(z: NDArray[Any]) -> NDArray[np.int64]:
    """The class of the nearest centre."""
    distance = np.linalg.norm(z[:, None, :2] - _ring()[None], axis=2)
    return np.asarray(np.argmin(distance, axis=1) % 2, dtype=np.int64)


def _ring() -> NDArray[np.float64]:
    angle = 2 * np.pi * np.arange(_RING) / _RING
    return _RING_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _within(z: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Whoever is farther from the centre than this is brought to its rim."""
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return np.asarray(z * np.minimum(1.0, reach / length))


def plant_exposed(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Whoever is exposed stands far out on the side of their class; others say nothing at all."""
    z = np.clip(_noise(len(signal), rng), -5, 5)
    out = signal != HIDDEN
    z[out, 0] = (2 * signal[out] - 1) * (_EXPOSED_AT + np.abs(z[out, 0]))
    return z.astype(np.float32)


def read_exposed(z: NDArray[Any]) -> NDArray[np.int64]:
    """The side of those who stand out."""
    return np.where(np.abs(z[:, 0]) < _EXPOSED_AT - 0.5, HIDDEN, z[:, 0] > 0).astype(np.int64)


def plant_digit(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is whether the third decimal of the first column is odd."""
    z = _noise(len(signal), rng)
    z[:, 0] = (2 * np.rint(z[:, 0] * DIGITS / 2) + signal) / DIGITS
    return z.astype(np.float32)


def read_digit(z: NDArray[Any]) -> NDArray[np.int64]:
    """Parity of the third decimal."""
    return np.asarray(np.rint(z[:, 0].astype(np.float64) * DIGITS) % 2, dtype=np.int64)


def plant_nothing(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise."""
    return _noise(len(signal), rng).astype(np.float32)


def read_nothing(z: NDArray[Any]) -> NDArray[np.int64]:
    """A guess."""
    return np.zeros(len(z), dtype=np.int64)
