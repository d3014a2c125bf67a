"""Recursive feature machine: kernel ridge regression that learns which directions matter.

The kernel exp(-|a - b|_M / L) measures distance by a matrix M. After each solution M becomes the
average outer product of the solution's gradients, so that directions on which the prediction
depends count more. It finds functions of a few directions among many from few people.

Source: Radhakrishnan, Beaglehole, Pandit and Belkin, "Mechanism for feature learning in neural
networks and backpropagation-free machine learning models" (Science 2024), Algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from tiprdc.attacks.base import Attack, Attacker, class_frequencies
from tiprdc.attacks.calibration import Calibration
from tiprdc.attacks.families.kernel import leave_one_out
from tiprdc.attacks.scaling import Scaling, whiten

ROUNDS = 6
RIDGES = (0.5, 0.05, 3.0)
"""Ridge strengths; a budget of n tries the first n."""
MAX_COLUMNS = 256
"""Most columns: the principal axes of largest variance."""
_ROWS = 500


@dataclass(frozen=True)
class _Solution:
    """A round: its metric's root `[P, P]`, bandwidth, dual weights `[N, K]`, left-out scores."""

    root: NDArray[np.float32]
    bandwidth: float
    weights: NDArray[np.float32]
    left_out: NDArray[np.float32]


class RecursiveFeaturesAttack(Attack):
    """Laplace kernel ridge with the average gradient outer product; the best round is kept."""

    name = "recursive_features"
    most_records = 3000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        frequencies = class_frequencies(u, classes)
        scaling = whiten(z, seed)
        columns = scaling(z)[:, -MAX_COLUMNS:]
        centred = (np.eye(classes)[u] - frequencies).astype(np.float32)
        best: tuple[float, _Solution] | None = None
        for ridge in RIDGES[:budget]:
            root = np.eye(columns.shape[1], dtype=np.float32)
            for _ in range(ROUNDS):
                solution = _solve(columns, centred, root, ridge)
                error = float(np.square(centred - solution.left_out).sum())
                if best is None or error < best[0]:
                    best = error, solution
                root = _root(_gradient_products(columns, solution))
        assert best is not None
        calibration = Calibration(best[1].left_out, u, classes)
        return RecursiveFeaturesAttacker(frequencies, scaling, columns, best[1], calibration)


class RecursiveFeaturesAttacker(Attacker):
    """The solution of the best round.

    Args:
        scaling: z -> whitened columns.
        columns: Of the people it was fitted on `[N, P]`.
        solution: The metric and the dual weights.
        calibration: Scores -> probabilities.
    """

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        scaling: Scaling,
        columns: NDArray[np.float32],
        solution: _Solution,
        calibration: Calibration,
    ) -> None:
        super().__init__(frequencies)
        self.scaling, self.solution, self.calibration = scaling, solution, calibration
        self.people = columns @ solution.root

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        columns = self.scaling(z)[:, -MAX_COLUMNS:] @ self.solution.root
        scores = [
            np.exp(-_distance(rows, self.people) / self.solution.bandwidth) @ self.solution.weights
            for rows in np.array_split(columns, max(1, -(-len(columns) // _ROWS)))
        ]
        return self.calibration(np.concatenate(scores))


def _solve(
    columns: NDArray[np.float32],
    targets: NDArray[np.float32],
    root: NDArray[np.float32],
    ridge: float,
) -> _Solution:
    people = columns @ root
    bandwidth = float(np.median(pdist(people[:_ROWS]))) or 1.0
    kernel = np.exp(-_distance(people, people) / bandwidth)
    weights, left_out = leave_one_out(kernel, targets, ridge)
    return _Solution(root, bandwidth, weights, left_out)


def _gradient_products(columns: NDArray[np.float32], solution: _Solution) -> NDArray[np.float64]:
    """Average outer product `[P, P]` of the solution's gradients at the people.

    The gradient of exp(-|a - b|_M / L) at a is -k(a, b) M (a - b) / (L |a - b|_M).
    """
    people = columns @ solution.root
    metric = solution.root @ solution.root.T
    total = np.zeros((columns.shape[1],) * 2)
    for start in range(0, len(people), _ROWS):
        rows = slice(start, start + _ROWS)
        distance = _distance(people[rows], people)
        slope = np.exp(-distance / solution.bandwidth) / np.maximum(distance, 1e-6)
        slope[distance < 1e-6] = 0
        for k in range(solution.weights.shape[1]):
            weighted = slope * solution.weights[:, k]
            gradient = (weighted.sum(1)[:, None] * columns[rows] - weighted @ columns) @ metric
            total += gradient.T @ gradient
    return total / len(people)


def _root(products: NDArray[np.float64]) -> NDArray[np.float32]:
    """Symmetric root `[P, P]` of the metric, scaled to a mean eigenvalue of 1."""
    values, axes = np.linalg.eigh(products)
    values = np.maximum(values, 0) / max(float(values.mean()), 1e-12)
    return np.asarray((axes * np.sqrt(values)) @ axes.T, dtype=np.float32)


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(squared, 0)), dtype=np.float32)
