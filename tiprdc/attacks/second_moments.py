"""Second moments: of which class is the covariance that fits this person's features?

The score of class k is z' S_k z, with S_k the second moments of the class on whitened columns. That
is ridge regression on all products of two columns with an infinite penalty: it finds leaks that are
spread over thousands of products, each too faint to be selected, and its cost grows linearly with
the people. Scores without a person's own share have a closed form and calibrate it, together with
the length of z, which many columns may share.

Source: Fukunaga and Koontz, "Application of the Karhunen-Loève expansion to feature selection and
ordering" (1970), for second moments of classes on whitened columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Attack, Attacker, class_frequencies
from tiprdc.attacks.calibration import Calibration
from tiprdc.attacks.scaling import Scaling, whiten

BLOCK = 8192


class SecondMomentsAttack(Attack):
    """The difference of the classes' second moments, of all columns or 256 components."""

    name = "second_moments"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        scaling = whiten(z, seed, power=1.0)
        columns = scaling(z)
        counts = np.bincount(u, minlength=classes)
        # A class of one person has no moments without that person.
        moments = [_moments(columns[u == k]) if counts[k] > 1 else None for k in range(classes)]
        both = np.mean([m for m in moments if m is not None], axis=0)
        filled = np.stack([both if m is None else m for m in moments])
        fits = _fits(columns, filled)
        rows = np.flatnonzero(counts[u] > 1)
        own, n = u[rows], counts[u[rows]]
        fits[rows, own] = (n * fits[rows, own] - _squared_length(columns[rows]) ** 2) / (n - 1)
        scores = _scores(fits, columns)
        # Scores of about 1, as the calibration has a penalty.
        scale = np.maximum(scores.std(0), 1e-12)
        calibration = Calibration(scores / scale, u, classes)
        return SecondMomentsAttacker(
            class_frequencies(u, classes), scaling, filled, scale, calibration
        )


class SecondMomentsAttacker(Attacker):
    """Calibrated scores of the classes' second moments.

    Args:
        scaling: z -> whitened columns `[N, P]`.
        moments: `[K, P, P]`.
        scale: Standard deviation of each score `[K + 1]`.
        calibration: Scores -> probabilities.
    """

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        scaling: Scaling,
        moments: NDArray[np.float32],
        scale: NDArray[np.float64],
        calibration: Calibration,
    ) -> None:
        super().__init__(frequencies)
        self.scaling, self.moments, self.scale = scaling, moments, scale
        self.calibration = calibration

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        columns = self.scaling(z)
        return self.calibration(_scores(_fits(columns, self.moments), columns) / self.scale)


def _moments(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(columns.T @ columns / np.float32(len(columns)))


def _fits(columns: NDArray[np.float32], moments: NDArray[np.float32]) -> NDArray[np.float64]:
    """z' S_k z `[N, K]`."""
    blocks = np.array_split(columns, max(1, -(-len(columns) // BLOCK)))
    return np.concatenate(
        [
            np.stack([((b @ m) * b).sum(1, dtype=np.float64) for m in moments], axis=1)
            for b in blocks
        ]
    )


def _scores(fits: NDArray[np.float64], columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Differences of the fits from their mean over the classes, and the length `[N, K + 1]`."""
    differences = fits - fits.mean(1, keepdims=True)
    length = _squared_length(columns) / columns.shape[1] - 1
    return np.concatenate([differences, length[:, None]], axis=1)


def _squared_length(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray((columns.astype(np.float64) ** 2).sum(1))
