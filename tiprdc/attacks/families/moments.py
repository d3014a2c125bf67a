"""Moments of the classes: whose mean and whose covariance fit this person's features?

The scores of class k are z' m_k and z' S_k z, with m_k and S_k the first and second moments of the
class on whitened columns. The second is ridge regression on all products of two columns with an
infinite penalty: it finds leaks that are spread over thousands of products, each too faint to be
selected, and its cost grows linearly with the people. Scores without a person's own share have a
closed form. They calibrate it, together with the length of z, which many columns may share.

Source: Fukunaga and Koontz, "Application of the Karhunen-Loève expansion to feature selection and
ordering" (1970), for second moments of classes on whitened columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Attack, Attacker, class_frequencies
from tiprdc.attacks.calibration import Calibration
from tiprdc.attacks.scaling import Scaling, whiten

BLOCK = 8192


class MomentsAttack(Attack):
    """The classes' first and second moments, of all columns or 256 components."""

    name = "moments"

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        scaling = whiten(z, seed, power=1.0)
        columns = scaling(z)
        moments = _Moments.of(columns, u, classes)
        scores = moments.left_out_scores(columns, u)
        # Scores of about 1, as the calibration has a penalty.
        scale = np.maximum(scores.std(0), 1e-12)
        calibration = Calibration(scores / scale, u, classes)
        frequencies = class_frequencies(u, classes)
        return MomentsAttacker(frequencies, scaling, moments, scale, calibration)


@dataclass(frozen=True)
class _Moments:
    """Means `[K, P]` and second moments `[K, P, P]` of the classes, and their people `[K]`."""

    means: NDArray[np.float32]
    seconds: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, columns: NDArray[np.float32], u: NDArray[np.int64], classes: int) -> _Moments:
        """A class without anybody has those of all people."""
        means, seconds = [], []
        for k in range(classes):
            part = columns[u == k] if (u == k).any() else columns
            means.append(part.mean(0))
            seconds.append(part.T @ part / np.float32(len(part)))
        return cls(np.stack(means), np.stack(seconds), np.bincount(u, minlength=classes))

    def scores(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        """Both scores of each class, less their means over the classes, and the length
        `[N, 2 K + 1]`."""
        return _centred(*self._fits(columns), _squared_length(columns), columns.shape[1])

    def left_out_scores(
        self, columns: NDArray[np.float32], u: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The scores of the people `[N]` that the moments are of, each without their own share."""
        first, second = self._fits(columns)
        length, n = _squared_length(columns), self.counts[u]
        rows = np.flatnonzero(n > 1)
        own, n, part = u[rows], n[rows], length[rows]
        first[rows, own] = (n * first[rows, own] - part) / (n - 1)
        second[rows, own] = (n * second[rows, own] - part**2) / (n - 1)
        return _centred(first, second, length, columns.shape[1])

    def _fits(
        self, columns: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """z' m_k and z' S_k z, `[N, K]` each."""
        blocks = np.array_split(columns, max(1, -(-len(columns) // BLOCK)))
        products = [
            np.stack([((b @ m) * b).sum(1, dtype=np.float64) for m in self.seconds], axis=1)
            for b in blocks
        ]
        return (columns @ self.means.T).astype(np.float64), np.concatenate(products)


class MomentsAttacker(Attacker):
    """Calibrated scores of the classes' moments.

    Args:
        scaling: z -> whitened columns `[N, P]`.
        moments: Of the classes.
        scale: Standard deviation of each score `[2 K + 1]`.
        calibration: Scores -> probabilities.
    """

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        scaling: Scaling,
        moments: _Moments,
        scale: NDArray[np.float64],
        calibration: Calibration,
    ) -> None:
        super().__init__(frequencies)
        self.scaling, self.moments, self.scale = scaling, moments, scale
        self.calibration = calibration

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        return self.calibration(self.moments.scores(self.scaling(z)) / self.scale)


def _centred(
    first: NDArray[np.float64], second: NDArray[np.float64], length: NDArray[np.float64], width: int
) -> NDArray[np.float64]:
    differences = [part - part.mean(1, keepdims=True) for part in (first, second)]
    return np.concatenate([*differences, length[:, None] / width - 1], axis=1)


def _squared_length(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray((columns.astype(np.float64) ** 2).sum(1))
