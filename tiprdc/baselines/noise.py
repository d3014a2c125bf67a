"""Noise on released features, drawn once for each record by numpy.

Methods with this noise are not exported: an attacker gets the noiseless z plus one draw of it. On a
device the noise would have to come from a generator that nobody can replay.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.models.linear_noise import with_noise


class Noise(ABC):
    """A random map of features."""

    @abstractmethod
    def __call__(self, z: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """`[N, ...]` -> the same shape."""


@dataclass(frozen=True)
class Gaussian(Noise):
    """z plus normal noise of this standard deviation."""

    std: float

    def __call__(self, z: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
        return with_noise(z, self.std, rng)


@dataclass(frozen=True)
class Laplace(Noise):
    """z plus Laplace noise: epsilon-differentially private for each input that changes z by at most
    `sensitivity` in L1.

    Source: Dwork et al., "Calibrating Noise to Sensitivity in Private Data Analysis" (2006).
    """

    epsilon: float
    sensitivity: float

    def __call__(self, z: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.laplace(scale=self.sensitivity / self.epsilon, size=z.shape)
        return np.asarray(z + noise, dtype=np.float32)


@dataclass(frozen=True)
class RandomisedResponse(Noise):
    """Keeps each of K classes with probability e^epsilon / (e^epsilon + K - 1), else replaces it.

    Source: Warner 1965; Kairouz et al., "Extremal Mechanisms for Local Differential Privacy"
    (2014), for K answers.
    """

    epsilon: float
    classes: int

    def __call__(self, z: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        others = self.classes - 1
        unchanged = rng.random(z.shape) < 1 / (1 + others * math.exp(-self.epsilon))
        return np.where(unchanged, z, (z + rng.integers(1, self.classes, z.shape)) % self.classes)
