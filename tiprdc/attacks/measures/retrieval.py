"""Retrieval: how often a reconstruction picks the true record out of a hundred.

A reconstruction may look like nobody and still be closer to the right record than to 99 others.
This figure counts that, in addition to how close it comes. Chance is 1 in 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from tiprdc.attacks.measure import proportion
from tiprdc.datasets.schema import Column
from tiprdc.formats.audit_report import Measure

GALLERY = 100
"""Number of records, one of them the true one, in a gallery."""


def retrieval(
    decoded: NDArray[np.float32],
    x: NDArray[Any],
    columns: tuple[Column, ...],
    confidence: float,
    representation: str,
) -> tuple[Measure, ...]:
    """Top-1 retrieval; empty where there are fewer than `GALLERY` records.

    Args:
        decoded: A decoder's output: pictures in [0, 1] `[N, C, H, W]`, or numbers and logits.
        x: The records `[N, ...]`, one record a person; for texts the presence of tokens `[N, V]`.
        columns: Columns of a table; empty for other records.
        confidence: Of each one-sided bound.
        representation: Recorded in the figure.
    """
    distances = _gallery_distances(decoded, x, columns)
    correct = [_nearest(distance) == np.arange(GALLERY) for distance in distances]
    if not correct:
        return ()
    return (
        proportion(
            f"true record found among {GALLERY}", np.concatenate(correct), confidence,
            baseline=1 / GALLERY, representation=representation,
        ),
    )  # fmt: skip


def _gallery_distances(
    decoded: NDArray[np.float32], x: NDArray[Any], columns: tuple[Column, ...]
) -> Iterator[NDArray[np.float64]]:
    """Distances `[GALLERY, GALLERY]` of reconstructions to records, one gallery at a time."""
    for start in range(0, len(decoded) - GALLERY + 1, GALLERY):
        rows = slice(start, start + GALLERY)
        if columns:
            yield _column_distance(decoded[rows], x[rows], columns)
        elif x.ndim == 2:
            yield _token_distance(decoded[rows], x[rows])
        else:
            yield _picture_distance(decoded[rows], x[rows])


def _picture_distance(decoded: NDArray[np.float32], x: NDArray[Any]) -> NDArray[np.float64]:
    a = decoded.reshape(len(decoded), -1).astype(np.float64)
    b = x.reshape(len(x), -1) / 255
    return _squared_distance(a, b)


def _token_distance(decoded: NDArray[np.float32], present: NDArray[Any]) -> NDArray[np.float64]:
    """Smaller where a text has tokens whose logits are above the average over texts."""
    evidence = decoded.astype(np.float64) - decoded.mean(axis=0, dtype=np.float64)
    return np.asarray(np.round(-evidence @ present.T.astype(np.float64), 9))


def _column_distance(
    decoded: NDArray[np.float32], x: NDArray[Any], columns: tuple[Column, ...]
) -> NDArray[np.float64]:
    """Squared error of standardised numbers plus -ln p of categories: the decoder's own loss."""
    numeric = [(i, c) for i, c in enumerate(columns) if not c.categories]
    standard = np.stack(
        [np.clip((x[:, i] - c.mean) / (c.std or 1.0), -10, 10) for i, c in numeric], 1
    ) if numeric else np.zeros((len(x), 0))  # fmt: skip
    distance = _squared_distance(
        decoded[:, : len(numeric)].astype(np.float64), standard.astype(np.float64)
    )
    start = len(numeric)
    for i, column in enumerate(columns):
        if column.categories:
            width = len(column.categories) + 1
            log_p = log_softmax(decoded[:, start : start + width].astype(np.float64), axis=1)
            number = np.clip(np.rint(x[:, i]).astype(int), 0, width - 1)
            distance -= log_p[:, number]
            start += width
    return distance


def _squared_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.round(squares, 9))


def _nearest(distance: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the nearest record `[GALLERY]`; ties are broken at random."""
    order = np.random.default_rng(0).permutation(distance.shape[1])
    return np.asarray(order[np.argmin(distance[:, order], axis=1)])
