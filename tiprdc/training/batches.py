"""Source and order of the training batches.

The order of an epoch follows from (seed, epoch) alone: a resumed run, with the same number of
workers or another one, gets the same batches in the same order as an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.datasets.schema import Records
from tiprdc.distributed import BatchGroup
from tiprdc.errors import DataError

CHUNK = 1024
"""Records in a batch where nothing is learnt."""


class RecordBatches(Protocol):
    """A source of records: `Records` in memory, or a network that loads them ahead of use."""

    def __len__(self) -> int: ...

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        """The batches of these row numbers, in this order."""
        ...


def epoch_batches(
    records: int, batch: int, *, seed: int, epoch: int, group: BatchGroup
) -> Iterator[Tensor]:
    """This worker's row numbers of each step of an epoch.

    Args:
        records: Number of records.
        batch: Records in a step, over all workers; fewer if there are fewer records.
        seed, epoch: The order follows from both, and does not depend on the number of workers.
        group: The workers.

    Raises:
        DataError: Fewer than four records for each worker.
    """
    size = step_size(records, batch, group)
    order = np.random.default_rng([seed, epoch]).permutation(records)
    for start in range(0, records - size + 1, size):
        yield group.split(torch.from_numpy(order[start : start + size]))


def step_size(records: int, batch: int, group: BatchGroup) -> int:
    """Records in a step: `batch`, or fewer if there are fewer records.

    Raises:
        DataError: Fewer than four records for each worker.
    """
    size = min(batch, records)
    if size < 4 * group.world:
        raise DataError(
            "extractor-train", f"{records} records for {group.world} workers",
            "at least four records a worker in each step", "use fewer workers or more people",
        )  # fmt: skip
    return size


def chunks(records: RecordBatches) -> Iterator[Records]:
    """All records in their own order, a chunk at a time."""
    rows = np.arange(len(records))
    return records.batches(np.split(rows, rows[CHUNK::CHUNK]))


def labels(records: Records, names: Iterable[str]) -> Tensor:
    """Class numbers `[N, A]` of these attributes, int64."""
    return torch.stack([torch.from_numpy(records.labels[name]) for name in names], dim=1)


def one_hot(u: Tensor, classes: Iterable[int]) -> Tensor:
    """Class numbers `[N, A]`, and each attribute's classes -> joined one-hot blocks `[N, K]`."""
    return torch.cat([F.one_hot(u[:, i], k) for i, k in enumerate(classes)], dim=1)
