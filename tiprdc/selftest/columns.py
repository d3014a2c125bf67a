"""Geometries that hide a signal in columns `[N, 8]`, each with an exact reader.

All other columns are standard normal. Each geometry has a gap between its two sides, so the signal
is read without error: attackers can only fail by missing the shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.selftest.base import HIDDEN, Plant, Read

WIDTH = 8
"""Number of columns."""
_CLUSTER_RADIUS = 4.5
_RING = 8
_RING_RADIUS = 4.0
_EXPOSED_AT = 6.0
"""Distance of exposed people from the origin; nobody else is beyond 5."""
DIGITS = 1000
"""1 / resolution: the low-order digit is the third decimal."""


def _noise(people: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.normal(size=(people, WIDTH))


def plant_parity(bits: int) -> Plant:
    """The signal is the parity of the signs of this many columns: 1 is linear, 2 is XOR.

    Fewer of these columns carry no information about it.
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
    """The signal is the distance of z from the origin; the direction carries none."""
    z = _noise(len(signal), rng)
    length = rng.uniform(0.5, 0.9, len(signal)) + 0.6 * signal
    scale = length * np.sqrt(WIDTH) / np.linalg.norm(z, axis=1)
    return np.asarray(z * scale[:, None], dtype=np.float32)


def read_norm(z: NDArray[Any]) -> NDArray[np.int64]:
    """Whether z is longer than sqrt(D)."""
    return np.asarray(np.linalg.norm(z, axis=1) > np.sqrt(WIDTH), dtype=np.int64)


def plant_cluster(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is the parity of i in sixteen clusters at z = +-r e_i.

    z and -z have the same signal, so a linear attacker finds nothing.
    """
    z, rows = _noise(len(signal), rng), np.arange(len(signal))
    axis = 2 * rng.integers(WIDTH // 2, size=len(signal)) + signal
    z = _clip_length(z, 0.9 * _CLUSTER_RADIUS / np.sqrt(2))
    z[rows, axis] += _CLUSTER_RADIUS * (2 * rng.integers(2, size=len(signal)) - 1)
    return z.astype(np.float32)


def read_cluster(z: NDArray[Any]) -> NDArray[np.int64]:
    """The axis of the nearest centre."""
    return np.asarray(np.argmax(np.abs(z), axis=1) % 2, dtype=np.int64)


def plant_ring(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The signal is the cluster's parity among eight on a ring in two columns."""
    z = _noise(len(signal), rng)
    which = 2 * rng.integers(_RING // 2, size=len(signal)) + signal
    reach = 0.9 * _RING_RADIUS * np.sin(np.pi / _RING)
    z[:, :2] = _clip_length(z[:, :2], reach) + _ring()[which]
    return z.astype(np.float32)


def read_ring(z: NDArray[Any]) -> NDArray[np.int64]:
    """The class of the nearest centre."""
    distance = np.linalg.norm(z[:, None, :2] - _ring()[None], axis=2)
    return np.asarray(np.argmin(distance, axis=1) % 2, dtype=np.int64)


def _ring() -> NDArray[np.float64]:
    angle = 2 * np.pi * np.arange(_RING) / _RING
    return _RING_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _clip_length(z: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Move rows longer than `reach` back to that length."""
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return np.asarray(z * np.minimum(1.0, reach / length))


def plant_exposed(signal: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposed people are far out on the side of their class; others carry no signal."""
    z = np.clip(_noise(len(signal), rng), -5, 5)
    exposed = signal != HIDDEN
    z[exposed, 0] = (2 * signal[exposed] - 1) * (_EXPOSED_AT + np.abs(z[exposed, 0]))
    return z.astype(np.float32)


def read_exposed(z: NDArray[Any]) -> NDArray[np.int64]:
    """The side of exposed people."""
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
