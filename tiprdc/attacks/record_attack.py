"""Attacks by somebody who holds the records of attacker-train beside their features.

They learn from pairs (z, x), labels aside, a map from features back to something that is easier to
read: the record, or the features of an extractor that hides nothing. A kernel then reads the
attribute off what the map gives. Nothing is in that which is not in z; but each pair teaches many
numbers, a label one bit, so that the map finds what direct attacks on as many people do not.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tiprdc.attacks.base import Attack, Attacker, class_shares, inner_holdout, kind_of
from tiprdc.attacks.decoder import Pairs
from tiprdc.attacks.kernel import KernelAttack

Map = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Features `[N, D]` -> numbers `[N, ...]`."""
HOLDOUT = 0.15
"""Share of attacker-train that chooses among the passes of a map."""
MOST_PIXELS = 32
"""Height and width of what is asked of pictures: finer detail is not rebuilt anyway."""


class RecordAttack(Attack):
    """An attack that needs the records too: see `holding`.

    Args:
        x: Records of attacker-train, as attacks see them, in the order of their features
            `[N, ...]`; None: not given yet.
    """

    random = True
    needs_records = True

    def __init__(self, x: NDArray[Any] | None = None) -> None:
        self.x = x

    def with_records(self, x: NDArray[Any] | None) -> RecordAttack:
        """The same attack by somebody who holds these records."""
        return type(self)(x)

    @abstractmethod
    def learn(
        self, x: NDArray[Any], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
    ) -> Map:
        """The map, from records `[N, ...]`, features and labels of attacker-train."""

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        if self.x is None or len(self.x) != len(z):
            raise ValueError(f"{self.name} needs the records of attacker-train, one for each z")
        back = self.learn(_small(self.x), z, u, classes, seed)
        reader = KernelAttack().fit(back(z), u, classes, seed, budget)
        return RecordAttacker(class_shares(u, classes), back, reader)


class RecordAttacker(Attacker):
    """A map from features to something else, and who reads that."""

    def __init__(self, shares: NDArray[np.float64], back: Map, reader: Attacker) -> None:
        super().__init__(shares)
        self.back, self.reader = back, reader

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return self.reader.posterior(self.back(z))


def train_holdout_split(
    z: NDArray[Any], wanted: NDArray[Any], u: NDArray[np.int64], seed: int
) -> tuple[Pairs, Pairs]:
    """Pairs to learn a map from, and pairs that choose among its passes."""
    inside, outside = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
    return (z[inside], wanted[inside]), (z[outside], wanted[outside])


def _small(x: NDArray[Any]) -> NDArray[Any]:
    """Pictures of at most `MOST_PIXELS`, by area; other records as they are."""
    if kind_of(x) != "picture" or max(x.shape[2:]) <= MOST_PIXELS:
        return x
    size = tuple(min(MOST_PIXELS, side) for side in x.shape[2:])
    parts = np.array_split(x, -(-len(x) // 512))
    means = [functional.adaptive_avg_pool2d(torch.tensor(part).float(), size) for part in parts]
    return np.asarray(torch.cat([mean.round().to(torch.uint8) for mean in means]).numpy())
