"""A decision tree whose splits tell much about a task and little about private attributes.

A node's impurity mixes two Gini impurities, G = 1 - sum of squared class shares:

    (1 - g) G(y) + g (1 - 1/K - G(u))          K classes of u; the mean over several u

The second term is 0 where all classes of u are equally frequent. The leaf whose best split lowers
the impurity most is split first. scikit-learn's trees take no criterion in Python, and none of
theirs rises with purity.

Source: Jovanovic et al., "FARE: Provably Fair Representation Learning with Practical Certificates"
(ICML 2023), criterion of demographic parity; 1 - 1/K is their 0.5 for more than two classes.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIN_GAIN = 1e-9
"""A split must lower the impurity by more than this, as a share of all records."""


@dataclass(frozen=True)
class Split:
    """The test `x[feature] <= threshold`."""

    feature: int
    threshold: float


@dataclass(frozen=True)
class FairTree:
    """A fitted tree as a list of tests, and what each leaf needs of them.

    Args:
        features, thresholds: Of the tests `[T]`.
        paths: For each test and leaf: 1 if records of the leaf pass it, -1 if they fail it, 0 if it
            is not on the way `[T, L]`.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    paths: NDArray[np.float32]


def fit_fair_tree(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    u: NDArray[np.int64],
    *,
    fairness: float,
    leaves: int,
    min_records: int,
) -> FairTree:
    """Grow a tree, the best leaf first.

    Args:
        x: Columns `[N, W]`.
        y: Class numbers of the task `[N]`.
        u: Class numbers of the private attributes `[N, A]`.
        fairness: g, 0 to 1.
        leaves: Most leaves.
        min_records: Fewest records in a leaf.
    """
    criterion = _Criterion(y, u, fairness)
    rows: dict[int, NDArray[np.intp]] = {}
    ways: dict[int, list[tuple[int, int]]] = {}
    tests: list[Split] = []
    queue: list[tuple[float, int, Split]] = []

    def add(leaf: int, of_leaf: NDArray[np.intp], way: list[tuple[int, int]]) -> None:
        rows[leaf], ways[leaf] = of_leaf, way
        gain, split = criterion.best_split(x, of_leaf, min_records)
        if gain > _MIN_GAIN * len(x):
            heapq.heappush(queue, (-gain, leaf, split))

    add(0, np.arange(len(x)), [])
    following = 1
    while queue and len(rows) < leaves:
        _, leaf, split = heapq.heappop(queue)
        of_leaf, way, test = rows.pop(leaf), ways.pop(leaf), len(tests)
        tests.append(split)
        passed = x[of_leaf, split.feature] <= np.float32(split.threshold)
        for sign, part in ((1, of_leaf[passed]), (-1, of_leaf[~passed])):
            add(following, part, [*way, (test, sign)])
            following += 1
    paths = np.zeros((len(tests), len(rows)), np.float32)
    for column, way in enumerate(ways.values()):
        for test, sign in way:
            paths[test, column] = sign
    return FairTree(
        np.array([split.feature for split in tests], np.int64),
        np.array([split.threshold for split in tests], np.float32),
        paths,
    )


class _Criterion:
    """Impurities of groups of records, times their size."""

    def __init__(self, y: NDArray[np.int64], u: NDArray[np.int64], fairness: float) -> None:
        self.blocks = [_one_hot(column) for column in (y, *u.T)]
        share = fairness / u.shape[1]
        self.weights = [1 - fairness, *[-share] * u.shape[1]]
        self.constant = sum(share * (1 - 1 / block.shape[1]) for block in self.blocks[1:])

    def best_split(
        self, x: NDArray[np.float32], rows: NDArray[np.intp], min_records: int
    ) -> tuple[float, Split]:
        """The split of these rows that lowers the impurity most, and by how much; 0 for none."""
        best, split, count = 0.0, Split(0, 0.0), len(rows)
        if count < 2 * min_records:
            return best, split
        blocks = [block[rows] for block in self.blocks]
        totals = [block.sum(0, keepdims=True) for block in blocks]
        whole = self._impurity(totals, np.array([count]))[0]
        left_sizes = np.arange(1, count)
        for feature in range(x.shape[1]):
            values = x[rows, feature]
            order = np.argsort(values, kind="stable")
            values = values[order]
            allowed = np.flatnonzero(values[1:] > values[:-1])
            allowed = allowed[(allowed + 1 >= min_records) & (allowed + 1 <= count - min_records)]
            if not len(allowed):
                continue
            left = [np.cumsum(block[order], axis=0)[allowed] for block in blocks]
            right = [total - part for total, part in zip(totals, left, strict=True)]
            sizes = left_sizes[allowed]
            gains = whole - self._impurity(left, sizes) - self._impurity(right, count - sizes)
            top = int(np.argmax(gains))
            if gains[top] > best:
                low, high = values[allowed[top]], values[allowed[top] + 1]
                # The middle may round to the upper value.
                middle = np.float32((np.float64(low) + np.float64(high)) / 2)
                best = float(gains[top])
                split = Split(feature, float(low if middle >= high else middle))
        return best, split

    def _impurity(
        self, counts: Sequence[NDArray[np.float64]], sizes: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Size times impurity `[P]` of groups with these class counts, each `[P, K]`."""
        total = self.constant * sizes
        for weight, of_classes in zip(self.weights, counts, strict=True):
            total = total + weight * (sizes - (of_classes**2).sum(1) / sizes)
        return np.asarray(total)


def _one_hot(column: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.eye(int(column.max(initial=0)) + 1)[column]
