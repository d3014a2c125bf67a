"""What every attribute-inference attack does: fit on attacker-train, then say p(u | z).

An attack sees representations and labels of attacker-train, and a few also their records. Early
stopping and the choice among configurations use an inner holdout of these; which attack is reported
is chosen elsewhere, on attacker-select.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["flat", "picture", "text"]
"""What a representation is: columns `[N, D]`, pictures `[N, C, H, W]` or token ids `[N, T]`."""


def kind_of(z: NDArray[Any]) -> Kind:
    """A representation's kind, from its array: integers `[N, T]` are token ids."""
    if z.ndim == 4:
        return "picture"
    return "text" if z.ndim == 2 and z.dtype.kind in "iu" else "flat"


def class_shares(u: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Share of each class `[K]`, by the rule of succession, so that none is 0."""
    shares: NDArray[np.float64] = (np.bincount(u, minlength=classes) + 1.0) / (len(u) + classes)
    return shares


class Attacker(ABC):
    """A fitted attack.

    Args:
        shares: Share of each class in attacker-train `[K]`.
    """

    def __init__(self, shares: NDArray[np.float64]) -> None:
        self.shares = shares

    @abstractmethod
    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]` under the class shares of attacker-train."""

    def probabilities(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]` as if all classes were equally frequent: p(k | z) / p(k), normalised.

        Its argmax maximises expected balanced accuracy, which is what the audit scores.
        """
        weighed = self.posterior(z) / self.shares
        return np.asarray(weighed / weighed.sum(1, keepdims=True))

    def decide(self, z: NDArray[Any]) -> NDArray[np.int64]:
        """The class number `[N]` that this attacker says."""
        return np.asarray(np.argmax(self.probabilities(z), axis=1))


class Attack(ABC):
    """A way to infer a private attribute from a representation."""

    name: str
    """As in `params.yaml: audit.attacks`."""
    kinds: frozenset[Kind] = frozenset({"flat", "picture"})
    """Representations that it can attack."""
    random: bool = False
    """Whether another seed gives an attacker that another one may beat: worth several."""
    needs_records: bool = False
    """Whether it learns from the records of attacker-train too (record_attack.py)."""

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
    """Rows to fit on and rows to stop or choose on, of each class the same share."""
    order = rng.permutation(len(u))
    rank = np.empty(len(u), dtype=np.intp)
    for k in np.unique(u):
        of_class = order[u[order] == k]
        rank[of_class] = np.arange(len(of_class)) >= np.ceil(share * len(of_class))
    return np.sort(order[rank[order] == 1]), np.sort(order[rank[order] == 0])


def log_loss(posterior: NDArray[np.float64], u: NDArray[np.int64]) -> float:
    """Mean over the classes of the mean -ln p(u): rare classes count as much as frequent ones."""
    said = -np.log(np.clip(posterior[np.arange(len(u)), u], 1e-12, 1.0))
    return float(np.mean([said[u == k].mean() for k in np.unique(u)]))
