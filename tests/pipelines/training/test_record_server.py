"""Records that a worker requests ahead of their use, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.training import record_server
from pipelines.training.record_server import RemoteRecords
from tiprdc.datasets.schema import Records

RECORDS = Records(
    x=np.arange(40, dtype=np.float32).reshape(20, 2),
    labels={"secret": np.arange(20) % 2},
    person=np.zeros(20, np.str_),
)


def test_remote_batches_are_ordered_prefetched_and_writable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests, order = [], np.random.default_rng(0).permutation(20).reshape(10, 2)

    def take(rows: NDArray[np.intp]) -> Records:
        requests.append(rows)
        batch = RECORDS.take(rows)
        batch.x.flags.writeable = batch.labels["secret"].flags.writeable = False
        return batch

    monkeypatch.setattr(record_server.ray, "get", lambda task: task)
    server: Any = SimpleNamespace(take=SimpleNamespace(remote=take))
    remaining: Iterator[Records] = RemoteRecords(server, 20).batches(iter(order))
    first = next(remaining)
    assert len(requests) == 1 + record_server._AHEAD
    batches = [first, *remaining]
    assert len(batches) == len(requests) == 10
    for rows, batch in zip(order, batches, strict=True):
        np.testing.assert_array_equal(batch.x, RECORDS.x[rows])
        np.testing.assert_array_equal(batch.labels["secret"], RECORDS.labels["secret"][rows])
        assert batch.x.flags.writeable
        assert batch.labels["secret"].flags.writeable
