"""Fixtures: features `z` that leak one bit `u` with an exactly known Bayes rate.

A signal s is drawn first; z depends only on s and noise, and s can be read from z without error.
The channel from u to s is adjusted, so the Bayes rate has a closed form whatever the geometry of z:

    flip      s = u with probability a, else 1 - u        p(u | z) is a or 1 - a: Bayes rate a
    exposure  s = u with probability 2 a - 1, else none   some people are fully exposed, others not
              at all: Bayes rate (2 a - 1) + (1 - (2 a - 1)) / 2 = a
    none      s is independent of u                       Bayes rate 1/2

u is balanced, so that these are balanced accuracies too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Kind
from tiprdc.errors import check_range

HIDDEN = -1
"""Signal of people who are not exposed."""

Channel = Literal["flip", "exposure", "none"]
Plant = Callable[[NDArray[np.int64], np.random.Generator], NDArray[Any]]
Read = Callable[[NDArray[Any]], NDArray[np.int64]]


class Fixture(Protocol):
    """Features whose best possible attacker is known."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def kind(self) -> Kind:
        """Kind of the representation."""

    @property
    def about(self) -> str:
        """Short description of the planted leak."""

    def bayes(self, accuracy: float) -> float:
        """The balanced accuracy of the best possible attacker, exactly, in [0.5, 1]."""

    def draw(
        self, people: int, accuracy: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Features `[people, ...]` and u `[people]`, as many people of each class."""

    def predict(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """Prediction of the best possible attacker `[N]`."""


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A fixture whose signal can be read from z without error.

    Args:
        name, kind, about: As in `Fixture`.
        channel: Channel from u to the signal.
        plant: Signal `[N]` -> z `[N, ...]`.
        read: z -> signal; arbitrary where z carries none.
    """

    name: str
    about: str
    plant: Plant
    read: Read
    kind: Kind = "flat"
    channel: Channel = "flip"

    def bayes(self, accuracy: float) -> float:
        """The Bayes rate: `accuracy` itself, or 1/2 where the signal is independent of u.

        Raises:
            ConfigError: It is not in [0.5, 1].
        """
        check_range("accuracy", accuracy, 0.5, 1.0)
        return 0.5 if self.channel == "none" else accuracy

    def draw(
        self, people: int, accuracy: float, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Features `[people, ...]` and u `[people]`.

        Raises:
            ConfigError: The accuracy is not in [0.5, 1], or there are fewer than 2 people.
        """
        check_range("accuracy", accuracy, 0.5, 1.0)
        check_range("people", people, 2, 10_000_000)
        u = balanced(people, rng)
        return self.plant(_signal(u, accuracy, self.channel, rng), rng), u

    def predict(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """The signal; 0 for people who are not exposed."""
        return np.maximum(self.read(z), 0)


def balanced(people: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """u `[people]`: 0 and 1 equally often, in random order."""
    return rng.permutation(np.arange(people, dtype=np.int64) % 2)


def _signal(
    u: NDArray[np.int64], accuracy: float, channel: Channel, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The signal `[N]`."""
    chance = rng.random(len(u))
    if channel == "flip":
        return np.where(chance < accuracy, u, 1 - u)
    if channel == "exposure":
        return np.where(chance < 2 * accuracy - 1, u, HIDDEN)
    return balanced(len(u), rng)
