"""The interface of attribute-inference attacks: fit on attacker-train, then predict p(u | z).

An attack gets the representations and labels of attacker-train; a few attacks also get the records.
Early stopping and the choice of a configuration use an inner holdout of these people. The attack
that an audit reports is selected elsewhere, on attacker-select.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["flat", "picture", "text"]
"""Kind of a representation: columns `[N, D]`, pictures `[N, C, H, W]` or token ids `[N, T]`."""


def kind_of(z: NDArray[Any]) -> Kind:
    """The kind of a representation, from its array: integers `[N, T]` are token ids."""
    if z.ndim == 4:
        return "picture"
    return "text" if z.ndim == 2 and z.dtype.kind in "iu" else "flat"


def class_frequencies(u: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Share of each class `[K]`, by the rule of succession, so that none is 0."""
    shares: NDArray[np.float64] = (np.bincount(u, minlength=classes) + 1.0) / (len(u) + classes)
    return shares


class Attacker(ABC):
    """A fitted attack.

    Args:
        frequencies: Share of each class in attacker-train `[K]`.
    """

    def __init__(self, frequencies: NDArray[np.float64]) -> None:
        self.frequencies = frequencies

    @abstractmethod
    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]` under the class frequencies of attacker-train."""

    def probabilities(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]` as if all classes were equally frequent: p(k | z) / p(k), normalised.

        Its argmax maximises expected balanced accuracy, which is what the audit scores.
        """
        weighted = self.posterior(z) / self.frequencies
        return np.asarray(weighted / weighted.sum(1, keepdims=True))

    def predict(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """The most probable class number `[N]`, all classes taken as equally frequent."""
        return np.asarray(np.argmax(self.probabilities(z), axis=1))


class Attack(ABC):
    """A way to infer a private attribute from a representation."""

    name: str
    """Its name in `params.yaml: audit.attacks`."""
    kinds: frozenset[Kind] = frozenset({"flat", "picture"})
    """Representations that it can attack."""
    random: bool = False
    """Whether the attacker depends on the seed, so that several seeds are worth a try."""
    needs_records: bool = False
    """Whether it also learns from the records of attacker-train (record_attack.py)."""

    @abstractmethod
    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        """Learn u from z.

        Args:
            z: Representations of attacker-train `[N, ...]`.
            u: Class numbers `[N]`.
            classes: K.
            seed: The same arguments give the same attacker, bit for bit, on one CPU thread.
            budget: Number of configurations to try, >= 1; the best on an inner holdout is kept.
        """


def inner_holdout(
    u: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to fit on and rows to stop or choose on, stratified by class.

    Args:
        u: Class numbers `[N]`.
        share: Share of each class in the holdout, 0 to 1.
        rng: Draws the rows.
    """
    order = rng.permutation(len(u))
    is_inside = np.empty(len(u), dtype=np.intp)
    for k in np.unique(u):
        of_class = order[u[order] == k]
        is_inside[of_class] = np.arange(len(of_class)) >= np.ceil(share * len(of_class))
    return np.sort(order[is_inside[order] == 1]), np.sort(order[is_inside[order] == 0])


def log_loss(posterior: NDArray[np.float64], u: NDArray[np.int64]) -> float:
    """Mean over the classes of the mean -ln p(u): rare classes count as much as frequent ones."""
    losses = -np.log(np.clip(posterior[np.arange(len(u)), u], 1e-12, 1.0))
    return float(np.mean([losses[u == k].mean() for k in np.unique(u)]))
