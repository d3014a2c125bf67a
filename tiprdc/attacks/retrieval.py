"""Whose record is it? The true one among a hundred, picked by what a decoder rebuilt.

A rebuilt picture may look like nobody and still be nearer to the right record than to 99 others.
That counts here, beside how near it comes. A guess gets 1 in 100.
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
"""Records among which the true one is looked for."""


def retrieval(
    made: NDArray[np.float32],
    x: NDArray[Any],
    columns: tuple[Column, ...],
    confidence: float,
    representation: str,
) -> tuple[Measure, ...]:
    """Top-1 retrieval; nothing where there are fewer than `GALLERY` records.

    Args:
        made: What a decoder rebuilt: pictures in [0, 1] `[N, C, H, W]`, or numbers and logits.
        x: The records `[N, ...]`, one record a person; of texts which tokens they hold `[N, V]`.
        columns: Of a table; empty for others.
        confidence: Of each one-sided bound.
        representation: Named in the figure.
    """
    right = [_nearest(distance) == np.arange(GALLERY) for distance in _galleries(made, x, columns)]
    if not right:
        return ()
    return (
        proportion(
            f"true record found among {GALLERY}", np.concatenate(right), confidence,
            baseline=1 / GALLERY, representation=representation,
        ),
    )  # fmt: skip


def _galleries(
    made: NDArray[np.float32], x: NDArray[Any], columns: tuple[Column, ...]
) -> Iterator[NDArray[np.float64]]:
    """Distances `[GALLERY, GALLERY]` of what was rebuilt to the records, group by group."""
    for start in range(0, len(made) - GALLERY + 1, GALLERY):
        rows = slice(start, start + GALLERY)
        if columns:
            yield _column_distance(made[rows], x[rows], columns)
        elif x.ndim == 2:
            yield _token_distance(made[rows], x[rows])
        else:
            yield _picture_distance(made[rows], x[rows])


def _picture_distance(made: NDArray[np.float32], x: NDArray[Any]) -> NDArray[np.float64]:
    a = made.reshape(len(made), -1).astype(np.float64)
    b = x.reshape(len(x), -1) / 255
    return _squared(a, b)


def _token_distance(made: NDArray[np.float32], there: NDArray[Any]) -> NDArray[np.float64]:
    """Less where a text holds tokens that the features speak for more than others' features do."""
    speaks = made.astype(np.float64) - made.mean(axis=0, dtype=np.float64)
    return np.asarray(np.round(-speaks @ there.T.astype(np.float64), 9))


def _column_distance(
    made: NDArray[np.float32], x: NDArray[Any], columns: tuple[Column, ...]
) -> NDArray[np.float64]:
    """Squares of standardised numbers and -ln p of categories, as the decoder learnt them."""
    numeric = [(i, c) for i, c in enumerate(columns) if not c.categories]
    standard = np.stack(
        [np.clip((x[:, i] - c.mean) / (c.std or 1.0), -10, 10) for i, c in numeric], 1
    ) if numeric else np.zeros((len(x), 0))  # fmt: skip
    distance = _squared(made[:, : len(numeric)].astype(np.float64), standard.astype(np.float64))
    place = len(numeric)
    for i, column in enumerate(columns):
        if column.categories:
            width = len(column.categories) + 1
            said = log_softmax(made[:, place : place + width].astype(np.float64), axis=1)
            number = np.clip(np.rint(x[:, i]).astype(int), 0, width - 1)
            distance -= said[:, number]
            place += width
    return distance


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.round(squares, 9))


def _nearest(distance: NDArray[np.float64]) -> NDArray[np.intp]:
    """Place of the nearest record `[GALLERY]`; among equals chance decides."""
    order = np.random.default_rng(0).permutation(distance.shape[1])
    return np.asarray(order[np.argmin(distance[:, order], axis=1)])
