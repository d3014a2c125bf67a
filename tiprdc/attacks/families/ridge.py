"""Ridge regression on thousands of random features, in closed form, on all the people there are.

One pass over the people adds up the covariance of the expanded columns (random_features.py), and
one Cholesky factor of it serves every attribute and task. The number of people costs only the pass.
The ridge strength, and how much the blocks of columns count, are selected for each target on an
inner holdout, whose people are then added to the covariance for the final solution.

Source: Rahimi and Recht, "Random Features for Large-Scale Kernel Machines" (NIPS 2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from tiprdc.attacks.base import (
    Attacker,
    Kind,
    TargetsAttack,
    TrainingSet,
    class_frequencies,
    inner_holdout,
)
from tiprdc.attacks.calibration import Calibration
from tiprdc.attacks.families.random_features import BLOCK, Expansion, expand

HOLDOUT, MAX_HOLDOUT = 0.2, 6000
"""Share of the people, and most people, that select the strength and calibrate."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Ridge strengths, in the total variance of the columns."""
WEIGHTS = ((1.0, 1.0, 1.0), (1.0, 0.1, 1.0), (1.0, 1.0, 0.1), (1.0, 0.3, 0.03), (1.0, 0.0, 0.0))
"""Variance of the three blocks of columns; a budget of n tries the first n + 1."""


class RidgeAttack(TargetsAttack):
    """Ridge regression of the class indicators on columns, products and random features."""

    name = "ridge"
    kinds = frozenset[Kind]({"flat", "picture", "text"})
    joint = True

    def fit_targets(
        self, data: TrainingSet, targets: tuple[str, ...], seed: int, budget: int
    ) -> dict[str, Attacker]:
        rng = np.random.default_rng(seed)
        share = min(HOLDOUT, MAX_HOLDOUT / len(data))
        inside, outside = inner_holdout(data.labels[targets[0]], share, rng)
        expansion = expand(data.z, seed)
        frequencies = {n: class_frequencies(data.labels[n], data.classes[n]) for n in targets}
        onehot = np.concatenate(
            [np.eye(len(f))[data.labels[n]] - f for n, f in frequencies.items()], axis=1
        )
        parts = np.split(
            np.arange(onehot.shape[1]), np.cumsum([len(f) for f in frequencies.values()])[:-1]
        )
        sums = _add_up(expansion, data.z, onehot, inside)
        held_out = _centred(expansion, data.z[outside], sums)
        labels = {name: data.labels[name][outside] for name in targets}
        columns = dict(zip(targets, parts, strict=True))
        chosen = _select(sums, held_out, onehot[outside], labels, columns, expansion, budget)
        everyone = sums + _add_up(expansion, data.z, onehot, outside)
        solved: dict[tuple[float, tuple[float, ...]], NDArray[np.float64]] = {}
        attackers: dict[str, Attacker] = {}
        for name, (setting, scores) in chosen.items():
            if setting not in solved:
                solved[setting] = everyone.solve(
                    setting[0], _scales(everyone, expansion, setting[1])
                )
            calibration = Calibration(scores, labels[name], data.classes[name])
            weights = solved[setting][:, columns[name]].astype(np.float32)
            attackers[name] = RidgeAttacker(
                frequencies[name], expansion, everyone.mean, weights, calibration
            )
        return attackers

    def predict_targets(
        self, attackers: Mapping[str, Attacker], z: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        of_fit = {n: a for n, a in attackers.items() if isinstance(a, RidgeAttacker)}
        return {
            name: of_fit[name].weigh(of_fit[name].calibration(scores))
            for name, scores in _scores(of_fit, z).items()
        }


class RidgeAttacker(Attacker):
    """A linear function of the expansion, calibrated.

    Args:
        mean: Of the columns `[F]`.
        weights: `[F, K]`.
    """

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        expansion: Expansion,
        mean: NDArray[np.float64],
        weights: NDArray[np.float32],
        calibration: Calibration,
    ) -> None:
        super().__init__(frequencies)
        self.expansion, self.weights, self.calibration = expansion, weights, calibration
        self.offset = mean @ weights

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return self.calibration(_scores({"": self}, z)[""])


def _scores(
    attackers: Mapping[str, RidgeAttacker], z: NDArray[Any]
) -> dict[str, NDArray[np.floating]]:
    """Scores `[N, K]` of the attackers of one fit, which share the expansion."""
    expansion = next(iter(attackers.values())).expansion
    parts: dict[str, list[NDArray[np.floating]]] = {name: [] for name in attackers}
    for block in np.array_split(z, max(1, -(-len(z) // BLOCK))):
        columns = expansion(block)
        for name, attacker in attackers.items():
            parts[name].append(columns @ attacker.weights - attacker.offset)
    return {name: np.concatenate(scores) for name, scores in parts.items()}


@dataclass(frozen=True)
class _Sums:
    """Sums over people: number, columns `[F]`, their products `[F, F]`, with targets `[F, K]`."""

    people: int
    total: NDArray[np.float64]
    products: NDArray[np.float64]
    targets: NDArray[np.float64]
    target_total: NDArray[np.float64]

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.people + other.people, self.total + other.total,
            self.products + other.products, self.targets + other.targets,
            self.target_total + other.target_total,
        )  # fmt: skip

    @property
    def mean(self) -> NDArray[np.float64]:
        return self.total / self.people

    @property
    def variance(self) -> NDArray[np.float64]:
        return np.maximum(np.diagonal(self.products) / self.people - self.mean**2, 0)

    def solve(self, strength: float, scales: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights `[F, K]` of the columns, each multiplied by its scale before the penalty."""
        covariance = self.products / self.people - np.outer(self.mean, self.mean)
        covariance *= scales
        covariance *= scales[:, None]
        covariance[np.diag_indices_from(covariance)] += strength
        # The strength bounds the condition number, so that single precision is enough.
        covariance = covariance.astype(np.float32)
        targets = self.targets / self.people - np.outer(self.mean, self.target_total / self.people)
        factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
        right = (targets * scales[:, None]).astype(np.float32)
        solution = cho_solve(factor, right, check_finite=False)
        return np.asarray(solution * scales[:, None])


def _add_up(
    expansion: Expansion, z: NDArray[Any], onehot: NDArray[np.float64], rows: NDArray[np.intp]
) -> _Sums:
    width = len(expansion.blocks)
    total, products = np.zeros(width), np.zeros((width, width))
    targets = np.zeros((width, onehot.shape[1]))
    for block in np.array_split(rows, max(1, -(-len(rows) // BLOCK))):
        columns = expansion(z[block])
        # Sums of a block are exact enough in float32, and twice as fast.
        products += columns.T @ columns
        total += columns.sum(0, dtype=np.float64)
        targets += columns.T @ onehot[block].astype(np.float32)
    return _Sums(len(rows), total, products, targets, onehot[rows].sum(0))


def _centred(expansion: Expansion, z: NDArray[Any], sums: _Sums) -> NDArray[np.float32]:
    return np.asarray(expansion(z) - sums.mean.astype(np.float32))


def _scales(sums: _Sums, expansion: Expansion, weights: tuple[float, ...]) -> NDArray[np.float64]:
    """Scale of each column, such that the blocks have these shares of a total variance of 1."""
    variance = np.bincount(expansion.blocks, sums.variance, minlength=3)
    share = np.array(weights) * (variance > 0)
    scale = np.sqrt(share / max(share.sum(), 1e-12) / np.maximum(variance, 1e-12))
    return np.asarray(scale[expansion.blocks])


def _select(
    sums: _Sums,
    held_out: NDArray[np.float32],
    onehot: NDArray[np.float64],
    labels: Mapping[str, NDArray[np.int64]],
    columns: Mapping[str, NDArray[np.intp]],
    expansion: Expansion,
    budget: int,
) -> dict[str, tuple[tuple[float, tuple[float, ...]], NDArray[np.float64]]]:
    """Each target's setting of smallest error on the holdout, and its scores there."""
    best: dict[str, tuple[float, Any, Any]] = {}
    for weights in WEIGHTS[: budget + 1]:
        scales = _scales(sums, expansion, weights)
        for strength in STRENGTHS:
            scores = held_out @ sums.solve(strength, scales).astype(np.float32)
            for name, part in columns.items():
                errors = ((onehot[:, part] - scores[:, part]) ** 2).sum(1)
                error = float(
                    np.mean([errors[labels[name] == k].mean() for k in np.unique(labels[name])])
                )
                if name not in best or error < best[name][0]:
                    best[name] = (error, (strength, weights), scores[:, part])
    return {name: (setting, scores) for name, (_, setting, scores) in best.items()}
