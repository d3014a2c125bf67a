"""Checks that a record's features do not depend on the other records of a batch.

A device may send one record at a time; an audit asks for many at once. Its verdict is about what is
sent only if both give the same features. So some records are asked alone, in batches of several
sizes, that of the attacks among them, and in other orders.

Noise is replaced by a constant for this, so that two calls can be compared. Noise itself is then
checked with copies of one record: those of one batch must vary as those of different batches do,
since whoever gets a whole batch can subtract noise that all its records share.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ModelError

Batches = tuple[tuple[int, ...], ...]
RECORDS = 32
"""Records that are asked again."""
TOLERANCE = 0.01
"""Largest difference of a feature, in standard deviations of the feature over these records."""
_ROUNDING = 1e-5
"""Largest difference by rounding alone, as a share of the largest feature."""
_SIZES = (2, 3, 7, RECORDS)
_COPIES, _CALLS = 32, 8
_SHARED = 20.0
"""Ratio of the variances between and within batches that independent noise never reaches."""


class BatchModel(Protocol):
    """A file that can be run batch by batch."""

    @property
    def name(self) -> str:
        """The file, for messages."""

    @property
    def batch(self) -> int | None:
        """Fixed batch size, or None for any."""

    @property
    def attack_batch(self) -> int:
        """Records that attacks ask for at once."""

    @property
    def noise(self) -> tuple[bool, bool]:
        """Whether it draws random numbers, and whether it fixes their seed."""

    def features_by_batch(
        self, x: NDArray[Any], batches: Batches, *, constant_noise: bool
    ) -> NDArray[np.float32]:
        """Features of these rows of x, batch by batch, one row each.

        Raises:
            ModelError: The file cannot be run on such records.
        """


def sample_rows(count: int) -> NDArray[np.intp]:
    """Rows of at most `RECORDS` records, spread over all."""
    return np.unique(np.linspace(0, count - 1, RECORDS).astype(np.intp))


def check_batches(model: BatchModel, x: NDArray[Any]) -> None:
    """Check that the features of these records are the same in every batch.

    Args:
        model: The file.
        x: Some records `[N, ...]`, N >= 1.

    Raises:
        ModelError: They differ by more than `TOLERANCE`; the records of a batch share noise; or the
            file fixes the seed of its noise, so that anybody can subtract it.
    """
    is_random, seeded = model.noise
    if seeded:
        raise ModelError(
            model.name, "fixes the seed of its noise: anybody with the file can subtract it",
            "noise without a seed", "delete the attribute `seed` of its random operators",
        )  # fmt: skip
    _check_neighbours(model, x)
    if is_random and model.batch != 1:
        _check_noise(model, x)


def _check_neighbours(model: BatchModel, x: NDArray[Any]) -> None:
    orders = [*_orders(len(x), model.batch or RECORDS), _one_batch(len(x), model.attack_batch)]
    alone = tuple((row,) for row in range(len(x)))
    batches = (*alone, *(batch for order in orders for batch in order))
    z = model.features_by_batch(x, batches, constant_noise=True).astype(np.float64)
    z = z.reshape(len(z), -1)
    reference, again = z[: len(x)], z[len(x) :]
    deviation = reference.std(0)
    allowed = TOLERANCE * deviation + _ROUNDING * np.abs(reference).max(0)
    start, largest, where = 0, 0.0, (0, 0.0)
    for order in orders:
        rows = [row for batch in order for row in batch]
        difference = np.abs(again[start : start + len(rows)] - reference[rows])
        start += len(rows)
        # Rounding to levels moves single numbers near a border by a whole level.
        exceptions = len(rows) // RECORDS
        refused = (difference > allowed).sum(0) > exceptions
        if refused.any():
            column = int(np.argmax(np.where(refused, difference.max(0), -1)))
            if difference[:, column].max() > largest:
                largest = float(difference[:, column].max())
                where = (column, float(deviation[column]))
    if largest:
        column, scale = where
        raise ModelError(
            model.name,
            "features of a record depend on the other records of its batch: alone and among others"
            f" they differ by up to {largest:.4g} (feature {column}, standard deviation"
            f" {scale:.4g})",
            f"the same features in every batch, to {TOLERANCE:.0%} of a standard deviation",
            "reduce, normalise and scale over a record's own numbers, not over the batch (batch"
            " normalisation in evaluation mode, static quantisation)",
        )


def _orders(count: int, most: int) -> Iterator[Batches]:
    """All rows, in batches of several sizes and in several orders."""
    rng, rows = np.random.default_rng(0), np.arange(count)
    sizes = sorted({min(size, most, count) for size in _SIZES} - {1})
    for size in sizes:
        for order in (rows, rows[::-1], rng.permutation(count)):
            yield tuple(
                tuple(order[start : start + size].tolist()) for start in range(0, count, size)
            )


def _one_batch(count: int, size: int) -> Batches:
    """All rows, again and again, in one batch of this size."""
    return (tuple((np.arange(max(size, 1)) % count).tolist()),)


def _check_noise(model: BatchModel, x: NDArray[Any]) -> None:
    copies = min(_COPIES, model.batch or _COPIES)
    batches = ((0,) * copies,) * _CALLS
    z = model.features_by_batch(x[:1], batches, constant_noise=False).astype(np.float64)
    z = z.reshape(_CALLS, copies, -1)
    within = z.var(1, ddof=1).mean(0)
    between = z.mean(1).var(0, ddof=1) * copies
    rounding = (_ROUNDING * np.abs(z).max((0, 1))) ** 2
    shared = between > _SHARED * within + rounding
    if shared.any():
        raise ModelError(
            model.name,
            f"the records of a batch share noise, in {int(shared.sum()):,} of {z.shape[2]:,}"
            " features: whoever gets a whole batch can subtract it",
            "noise of its own for each record",
            "draw noise of the shape of the features, with the batch (RandomNormalLike)",
        )
