"""A radial basis kernel: smooth shapes in all columns at once, norms and XOR among them.

Kernel ridge regression of the classes' indicators, f = K (K + r I)^-1 y, is solved exactly. Its
leave-one-out predictions are closed forms too (y - a / diag((K + r I)^-1) with a the dual weights):
they choose the configuration and turn scores into probabilities, so that no record is set aside.
Many records are cut into chunks whose predictions are averaged.

Source: Rifkin and Lippert, "Notes on Regularized Least Squares" (2007), for leave-one-out; Zhang,
Duchi and Wainwright, "Divide and Conquer Kernel Ridge Regression" (2013), for chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.spatial.distance import pdist
from sklearn.linear_model import LogisticRegression

from tiprdc.attacks.base import Attack, Attacker, class_shares, log_loss
from tiprdc.attacks.scaling import Scaling, whiten

CHUNK = 4000
"""Most records solved at once: memory grows with the square, time with the cube."""
CONFIGURATIONS = ((2.0, 0.1), (0.6, 0.03), (2.0, 1.0), (6.0, 0.3), (0.6, 1.0), (0.2, 0.1))
"""Kernel rate times median squared distance, ridge r; in the order a budget admits them."""


class KernelAttack(Attack):
    """Exact kernel ridge regression with exp(-g |a - b|^2) on partly whitened columns."""

    name = "kernel"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        scaling, rng = whiten(z, seed), np.random.default_rng(seed)
        seen = scaling(z)
        median = float(np.median(pdist(seen[rng.permutation(len(z))[:500]], "sqeuclidean"))) or 1.0
        configurations = [(g / median, ridge) for g, ridge in CONFIGURATIONS[:budget]]
        chunks = np.array_split(rng.permutation(len(z)), -(-len(z) // CHUNK))
        machines = [_fit_chunk(seen[rows], u[rows], classes, configurations) for rows in chunks]
        return KernelAttacker(class_shares(u, classes), scaling, machines)


@dataclass(frozen=True)
class _Machine:
    """One solved chunk: its records `[N, P]`, dual weights `[N, K]`, kernel rate, calibration."""

    records: NDArray[np.float32]
    weights: NDArray[np.float32]
    gamma: float
    calibration: LogisticRegression

    def posterior(self, seen: NDArray[np.float32], classes: int) -> NDArray[np.float64]:
        parts = np.array_split(seen, -(-len(seen) // 1000))
        scores = [_kernel(part, self.records, self.gamma) @ self.weights for part in parts]
        return _calibrated(self.calibration, np.concatenate(scores), classes)


class KernelAttacker(Attacker):
    """The mean of the chunks' posteriors."""

    def __init__(
        self, shares: NDArray[np.float64], scaling: Scaling, machines: list[_Machine]
    ) -> None:
        super().__init__(shares)
        self.scaling, self.machines = scaling, machines

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        seen = self.scaling(z)
        each = [machine.posterior(seen, len(self.shares)) for machine in self.machines]
        return np.asarray(np.mean(each, axis=0))


def _kernel(a: NDArray[np.float32], b: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """`[A, P]`, `[B, P]` -> `[A, B]`."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.exp(-gamma * np.maximum(squared, 0)), dtype=np.float32)


def _fit_chunk(
    records: NDArray[np.float32],
    u: NDArray[np.int64],
    classes: int,
    configurations: list[tuple[float, float]],
) -> _Machine:
    """The configuration with the least leave-one-out loss."""
    centred = (np.eye(classes)[u] - class_shares(u, classes)).astype(np.float32)
    best: tuple[float, _Machine | None] = (np.inf, None)
    for gamma, ridge in configurations:
        weights, left_out = _solve(_kernel(records, records, gamma), centred, ridge)
        calibration = LogisticRegression(C=1e3).fit(left_out, u)
        loss = log_loss(_calibrated(calibration, left_out, classes), u)
        if best[1] is None or loss < best[0]:
            best = (loss, _Machine(records, weights, gamma, calibration))
    assert best[1] is not None
    return best[1]


def _solve(
    kernel: NDArray[np.float32], targets: NDArray[np.float32], ridge: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Dual weights and leave-one-out predictions, both `[N, K]`; overwrites the kernel."""
    kernel[np.diag_indices_from(kernel)] += ridge
    factor, failed = lapack.spotrf(kernel.T, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("the kernel matrix is not positive definite")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    weights = inverse @ targets
    return weights, targets - weights / np.diag(inverse)[:, None]


def _calibrated(
    calibration: LogisticRegression, scores: NDArray[np.float32], classes: int
) -> NDArray[np.float64]:
    full = np.zeros((len(scores), classes))
    full[:, calibration.classes_] = calibration.predict_proba(scores)
    return full
