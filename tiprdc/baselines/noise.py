"""Noise on what is sent, drawn once for each record by numpy.

Methods that add noise are not exported: what an attacker sees is the noiseless z and one draw of
this. On a device the noise would have to come from a generator that nobody can replay.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        noise = self.std * rng.standard_normal(z.shape, dtype=np.float32)
        return np.asarray(z + noise, dtype=np.float32)


@dataclass(frozen=True)
class Laplace(Noise):
    """z plus Laplace noise: epsilon-differentially private for each input that moves z by at most
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
    """Each of K numbers is kept with probability e^epsilon / (e^epsilon + K - 1), else another one.

    Source: Warner 1965; Kairouz et al., "Extremal Mechanisms for Local Differential Privacy"
    (2014), for K answers.
    """

    epsilon: float
    classes: int

    def __call__(self, z: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        others = self.classes - 1
        kept = rng.random(z.shape) < 1 / (1 + others * math.exp(-self.epsilon))
        return np.where(kept, z, (z + rng.integers(1, self.classes, z.shape)) % self.classes)
