"""The label floor: how well the true utility labels alone predict a private attribute.

Features that keep the tasks reveal their labels, so that no training hides the attribute better.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def recognised_from_labels(
    train: Mapping[str, NDArray[np.int64]],
    u: NDArray[np.int64],
    test: Mapping[str, NDArray[np.int64]],
    truth: NDArray[np.int64],
    classes: int,
) -> int:
    """Number of records that `decide_from_labels` recognises, 0 to M.

    Args:
        train, u, test, classes: As in `decide_from_labels`.
        truth: Private attribute of the records to decide on `[M]`.
    """
    return int(np.sum(decide_from_labels(train, u, test, classes) == truth))


def decide_from_labels(
    train: Mapping[str, NDArray[np.int64]],
    u: NDArray[np.int64],
    test: Mapping[str, NDArray[np.int64]],
    classes: int,
    strength: float = 20.0,
) -> NDArray[np.int64]:
    """Decisions of an attacker who knows only the true utility labels.

    Counts of u in each cell of the joint table of labels, shrunk towards naive Bayes by `strength`
    pseudo-people a cell: exact where people are many, independent labels where they are few.
    Decides by argmax p(k | labels) / p(k), as every attacker does.

    Args:
        train: Utility labels of attacker-train, task -> class numbers `[N]`, at least one.
        u: Private attribute of attacker-train `[N]`.
        test: Utility labels to decide on, task -> `[M]`, the same tasks.
        classes: K of the private attribute.
        strength: Pseudo-people, > 0.

    Returns:
        Class numbers `[M]`.
    """
    marginal = (np.bincount(u, minlength=classes) + 1) / (len(u) + classes)
    size = len(next(iter(test.values())))
    log_bayes = np.tile(np.log(marginal), (size, 1))
    for task, values in train.items():
        width = int(max(values.max(), test[task].max())) + 1
        table = np.ones((classes, width))
        np.add.at(table, (u, values), 1)
        log_bayes += np.log(table / table.sum(1, keepdims=True))[:, test[task]].T
    bayes = np.exp(log_bayes - log_bayes.max(1, keepdims=True))
    bayes /= bayes.sum(1, keepdims=True)
    counts = _cell_counts(train, u, test, classes)
    joint = (counts + strength * bayes) / (counts.sum(1, keepdims=True) + strength)
    decisions: NDArray[np.int64] = np.argmax(joint / marginal, axis=1)
    return decisions


def _cell_counts(
    train: Mapping[str, NDArray[np.int64]],
    u: NDArray[np.int64],
    test: Mapping[str, NDArray[np.int64]],
    classes: int,
) -> NDArray[np.float64]:
    """For each test row, how often each class `[M, K]` occurs in training with the same labels."""
    both = np.concatenate([np.stack(list(part.values()), 1) for part in (train, test)])
    _, cell = np.unique(both, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    counts = np.zeros((int(cell.max()) + 1, classes))
    np.add.at(counts, (cell[: len(u)], u), 1)
    return counts[cell[len(u) :]]
