"""Common base of the attacks that use the records of attacker-train as well as their features.

From pairs (z, x), without labels, they learn a map from features to something easier to classify:
the record, or the features of an unprotected extractor. A kernel attack then predicts the attribute
from the map's output. The output has no information that z has not. But each pair teaches many
numbers where a label teaches one bit, so the map finds leaks that direct attacks on as many people
miss.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tiprdc.attacks.base import (
    Attacker,
    TargetsAttack,
    TrainingSet,
    class_frequencies,
    inner_holdout,
    kind_of,
)
from tiprdc.attacks.families.decoder import Pairs
from tiprdc.attacks.families.kernel import KernelAttack

FeatureMap = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Features `[N, D]` -> numbers `[N, ...]`."""
HOLDOUT = 0.15
"""Share of attacker-train that selects the pass of a map."""
MAX_PIXELS = 32
"""Largest height and width of target pictures: finer detail cannot be reconstructed anyway."""


class RecordAttack(TargetsAttack):
    """An attack that also needs the records: `TrainingSet.x`."""

    random = True
    needs_records = True
    most_records = 4000

    @abstractmethod
    def fit_map(
        self, x: NDArray[Any], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
    ) -> FeatureMap:
        """Fit the map on records `[N, ...]`, features and labels of attacker-train."""

    def fit_targets(
        self, data: TrainingSet, targets: tuple[str, ...], seed: int, budget: int
    ) -> dict[str, Attacker]:
        """A map and a classifier of its output for each target.

        Raises:
            ValueError: There are no records, or not one for each z.
        """
        if data.x is None or len(data.x) != len(data):
            raise ValueError(f"{self.name} needs the records of attacker-train, one for each z")
        x, attackers = _downsample(data.x), dict[str, Attacker]()
        for name in targets:
            u, classes = data.labels[name], data.classes[name]
            feature_map = self.fit_map(x, data.z, u, classes, seed)
            classifier = KernelAttack().fit(feature_map(data.z), u, classes, seed, budget)
            attackers[name] = RecordAttacker(class_frequencies(u, classes), feature_map, classifier)
        return attackers


class RecordAttacker(Attacker):
    """A map from features to something easier to classify, and the classifier of its output."""

    def __init__(
        self, frequencies: NDArray[np.float64], feature_map: FeatureMap, classifier: Attacker
    ) -> None:
        super().__init__(frequencies)
        self.feature_map, self.classifier = feature_map, classifier

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return self.classifier.posterior(self.feature_map(z))


def train_holdout_split(
    z: NDArray[Any], targets: NDArray[Any], u: NDArray[np.int64], seed: int
) -> tuple[Pairs, Pairs]:
    """Pairs to fit a map on, and pairs that select its pass."""
    inside, outside = inner_holdout(u, HOLDOUT, np.random.default_rng(seed))
    return (z[inside], targets[inside]), (z[outside], targets[outside])


def _downsample(x: NDArray[Any]) -> NDArray[Any]:
    """Pictures averaged down to at most `MAX_PIXELS`; other records unchanged."""
    if kind_of(x) != "picture" or max(x.shape[2:]) <= MAX_PIXELS:
        return x
    size = tuple(min(MAX_PIXELS, side) for side in x.shape[2:])
    parts = np.array_split(x, -(-len(x) // 512))
    means = [functional.adaptive_avg_pool2d(torch.tensor(part).float(), size) for part in parts]
    return np.asarray(torch.cat([mean.round().to(torch.uint8) for mean in means]).numpy())
