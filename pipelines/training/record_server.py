"""Stream training records from the stage to workers that cannot read the shards.

One actor on the stage's node holds extractor-train. A worker requests the rows of its next batches,
which arrive over Ray's object store while it trains on the present one. The trainer decides the
order, so it is the same for any number of workers and after any loss. A worker holds a few batches
instead of all records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from pipelines.cluster.connect import on_driver_node
from tiprdc.datasets.schema import Records, read_schema, read_split

_AHEAD = 4
"""Batches that a worker requests ahead of their use."""


class RemoteRecords:
    """The records of extractor-train, as a `tiprdc.training.batches.RecordBatches`.

    Args:
        server: The actor that holds the records.
        records: Number of records.
    """

    def __init__(self, server: Any, records: int) -> None:
        self._server, self._records = server, records

    @classmethod
    def start(cls, shards: Path) -> RemoteRecords:
        """Start the actor on this machine, which has the shards."""
        server: Any = ray.remote(_RecordServer).options(
            **on_driver_node(), max_restarts=-1, max_task_retries=-1
        ).remote(str(shards.resolve()))  # fmt: skip
        return cls(server, ray.get(server.count.remote()))

    def __len__(self) -> int:
        return self._records

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        """Yield one batch of records for each array of rows, in the same order."""
        requests: deque[Any] = deque()
        for batch in rows:
            requests.append(self._server.take.remote(batch))
            if len(requests) > _AHEAD:
                yield _copy(ray.get(requests.popleft()))
        while requests:
            yield _copy(ray.get(requests.popleft()))


class _RecordServer:
    def __init__(self, shards: str) -> None:
        folder = Path(shards)
        records = read_split(folder, read_schema(folder), "extractor-train")
        # Training needs no identity of a person: it stays here.
        self._records = Records(records.x, records.labels, np.zeros(len(records), np.str_))

    def count(self) -> int:
        return len(self._records)

    def take(self, rows: NDArray[np.intp]) -> Records:
        return self._records.take(rows)


def _copy(records: Records) -> Records:
    """A writable copy: arrays of the object store are read-only, which torch does not take."""
    labels = {name: values.copy() for name, values in records.labels.items()}
    return Records(records.x.copy(), labels, records.person)
