"""Kernel ridge regression with a radial basis kernel: finds norms, XOR and other smooth shapes.

Kernel ridge regression of the class indicators, f = K (K + r I)^-1 y, is solved exactly. Its
leave-one-out predictions have a closed form too (y - a / diag((K + r I)^-1) with a the dual
weights). They select the configuration and calibrate scores to probabilities, so no holdout is
needed. Many records are split into chunks whose predictions are averaged.

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

from tiprdc.attacks.base import Attack, Attacker, class_frequencies, log_loss
from tiprdc.attacks.scaling import Scaling, whiten

CHUNK = 4000
"""Most records in one solve: memory grows with the square, time with the cube."""
CONFIGURATIONS = ((2.0, 0.1), (0.6, 0.03), (2.0, 1.0), (6.0, 0.3), (0.6, 1.0), (0.2, 0.1))
"""(kernel rate times median squared distance, ridge r); a budget of n tries the first n."""


class KernelAttack(Attack):
    """Exact kernel ridge regression with exp(-g |a - b|^2) on partly whitened columns."""

    name = "kernel"
    most_records = 8000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        scaling, rng = whiten(z, seed), np.random.default_rng(seed)
        columns = scaling(z)
        sample = columns[rng.permutation(len(z))[:500]]
        median = float(np.median(pdist(sample, "sqeuclidean"))) or 1.0
        configurations = [(g / median, ridge) for g, ridge in CONFIGURATIONS[:budget]]
        chunks = np.array_split(rng.permutation(len(z)), -(-len(z) // CHUNK))
        solved = [_fit_chunk(columns[rows], u[rows], classes, configurations) for rows in chunks]
        return KernelAttacker(class_frequencies(u, classes), scaling, solved)


@dataclass(frozen=True)
class _SolvedChunk:
    """One solved chunk: its records `[N, P]`, dual weights `[N, K]`, kernel rate, calibration."""

    records: NDArray[np.float32]
    weights: NDArray[np.float32]
    gamma: float
    calibration: LogisticRegression

    def posterior(self, columns: NDArray[np.float32], classes: int) -> NDArray[np.float64]:
        parts = np.array_split(columns, -(-len(columns) // 1000))
        scores = [_kernel(part, self.records, self.gamma) @ self.weights for part in parts]
        return _class_probabilities(self.calibration, np.concatenate(scores), classes)


class KernelAttacker(Attacker):
    """The mean of the chunks' posteriors."""

    def __init__(
        self, frequencies: NDArray[np.float64], scaling: Scaling, chunks: list[_SolvedChunk]
    ) -> None:
        super().__init__(frequencies)
        self.scaling, self.chunks = scaling, chunks

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        columns = self.scaling(z)
        each = [chunk.posterior(columns, len(self.frequencies)) for chunk in self.chunks]
        return np.asarray(np.mean(each, axis=0))


def _kernel(a: NDArray[np.float32], b: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """Kernel matrix of rows: `[A, P]`, `[B, P]` -> `[A, B]`."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.exp(-gamma * np.maximum(squared, 0)), dtype=np.float32)


def _fit_chunk(
    records: NDArray[np.float32],
    u: NDArray[np.int64],
    classes: int,
    configurations: list[tuple[float, float]],
) -> _SolvedChunk:
    """The configuration of smallest leave-one-out loss, solved."""
    centred = (np.eye(classes)[u] - class_frequencies(u, classes)).astype(np.float32)
    best: tuple[float, _SolvedChunk | None] = (np.inf, None)
    for gamma, ridge in configurations:
        weights, left_out = leave_one_out(_kernel(records, records, gamma), centred, ridge)
        calibration = LogisticRegression(C=1e3).fit(left_out, u)
        loss = log_loss(_class_probabilities(calibration, left_out, classes), u)
        if best[1] is None or loss < best[0]:
            best = (loss, _SolvedChunk(records, weights, gamma, calibration))
    assert best[1] is not None
    return best[1]


def leave_one_out(
    kernel: NDArray[np.float32], targets: NDArray[np.float32], ridge: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Dual weights and leave-one-out predictions, both `[N, K]`; overwrites the kernel."""
    kernel[np.diag_indices_from(kernel)] += ridge
    factor, error_code = lapack.spotrf(kernel.T, lower=1, overwrite_a=1)
    if error_code:
        raise np.linalg.LinAlgError("the kernel matrix is not positive definite")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    weights = inverse @ targets
    return weights, targets - weights / np.diag(inverse)[:, None]


def _class_probabilities(
    calibration: LogisticRegression, scores: NDArray[np.float32], classes: int
) -> NDArray[np.float64]:
    full = np.zeros((len(scores), classes))
    full[:, calibration.classes_] = calibration.predict_proba(scores)
    return full
