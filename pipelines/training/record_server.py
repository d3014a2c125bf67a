"""Records for workers that see no shards: they come from the stage, a little ahead of their use.

One actor beside the stage holds extractor-train. A worker says which rows its next batches have,
and they come over Ray's object store while it works on the present one. So the order is the one of
the trainer, the same for any number of workers and after any loss, and a worker holds a few
batches in place of all records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from pipelines.cluster import on_driver_node
from tiprdc.datasets.schema import Records, read_schema, read_split

_AHEAD = 4
"""Batches on their way to a worker."""


class RemoteRecords:
    """The records of extractor-train, as a `tiprdc.training.batches.RecordBatches`.

    Args:
        keeper: The actor that holds them.
        records: How many.
    """

    def __init__(self, keeper: Any, records: int) -> None:
        self._keeper, self._records = keeper, records

    @classmethod
    def fill(cls, shards: Path) -> RemoteRecords:
        """Start the actor on this machine, the one that has the shards."""
        keeper: Any = ray.remote(_Keeper).options(
            **on_driver_node(), max_restarts=-1, max_task_retries=-1
        ).remote(str(shards.resolve()))  # fmt: skip
        return cls(keeper, ray.get(keeper.count.remote()))

    def __len__(self) -> int:
        return self._records

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        """One batch of rows after another, in the order asked for."""
        coming: deque[Any] = deque()
        for wanted in rows:
            coming.append(self._keeper.take.remote(wanted))
            if len(coming) > _AHEAD:
                yield _copied(ray.get(coming.popleft()))
        while coming:
            yield _copied(ray.get(coming.popleft()))


class _Keeper:
    def __init__(self, shards: str) -> None:
        folder = Path(shards)
        records = read_split(folder, read_schema(folder), "extractor-train")
        # Nobody needs to know who they are.
        self._records = Records(records.x, records.labels, np.zeros(len(records), np.str_))

    def count(self) -> int:
        return len(self._records)

    def take(self, rows: NDArray[np.intp]) -> Records:
        return self._records.take(rows)


def _copied(records: Records) -> Records:
    """What the object store lends is read-only, which torch does not take."""
    labels = {name: values.copy() for name, values in records.labels.items()}
    return Records(records.x.copy(), labels, records.person)
