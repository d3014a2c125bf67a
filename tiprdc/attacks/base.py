"""The interface of attribute-inference attacks: fit on attacker-train, then predict p(u | z).

An attack gets the representations and labels of attacker-train; a few attacks also get the records.
Early stopping and the choice of a configuration use an inner holdout of these people. The attack
that an audit reports is selected elsewhere, on attacker-select.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

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


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What an attacker knows of the people it learns from.

    Args:
        z: Representations `[N, ...]`.
        labels: Every attribute and task known of them -> class numbers `[N]`.
        classes: K of each.
        x: Their records as attacks read them, in the same order `[N, ...]`.
        draws: Further draws of z, where a release has noise: the extractor ran on the same records
            again `[R, N, ...]`.
    """

    z: NDArray[Any]
    labels: Mapping[str, NDArray[np.int64]]
    classes: Mapping[str, int]
    x: NDArray[Any] | None = None
    draws: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.z)

    def take(self, rows: NDArray[np.intp]) -> TrainingSet:
        """These rows only."""
        return TrainingSet(
            z=self.z[rows],
            labels={name: labels[rows] for name, labels in self.labels.items()},
            classes=self.classes,
            x=None if self.x is None else self.x[rows],
            draws=None if self.draws is None else self.draws[:, rows],
        )


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
        return self.weigh(self.posterior(z))

    def weigh(self, posterior: NDArray[np.float64]) -> NDArray[np.float64]:
        """A posterior `[N, K]` as if all classes were equally frequent."""
        weighted = posterior / self.frequencies
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
    """Whether it cannot do without the records of attacker-train (record_attack.py)."""
    uses_gpu: ClassVar[bool] = False
    """Whether its networks are trained on a GPU where there is one."""
    joint: ClassVar[bool] = False
    """Whether one fit serves all targets: a closed form, or one network with several heads."""
    redraws: ClassVar[bool] = False
    """Whether it learns from several draws of the noise of a release."""
    most_records: int | None = None
    """Most records that it is fitted on, a random subset; None: all there are."""

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

    def fit_targets(
        self, data: TrainingSet, targets: tuple[str, ...], seed: int, budget: int
    ) -> dict[str, Attacker]:
        """Learn several attributes and tasks from z.

        Args:
            data: People of attacker-train, all of whom are used.
            targets: Names in `data.labels`.
            seed, budget: As in `fit`.

        Returns:
            Target -> its fitted attack.
        """
        return {
            name: self.fit(data.z, data.labels[name], data.classes[name], seed, budget)
            for name in targets
        }

    def predict_targets(
        self, attackers: Mapping[str, Attacker], z: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        """`Attacker.probabilities` of each target of one fit `[N, K]`, common work done once."""
        return {name: attacker.probabilities(z) for name, attacker in attackers.items()}


class TargetsAttack(Attack):
    """An attack that is written for several targets: one is a special case."""

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        data = TrainingSet(z=z, labels={"u": u}, classes={"u": classes})
        return self.fit_targets(data, ("u",), seed, budget)["u"]

    @abstractmethod
    def fit_targets(
        self, data: TrainingSet, targets: tuple[str, ...], seed: int, budget: int
    ) -> dict[str, Attacker]: ...


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
