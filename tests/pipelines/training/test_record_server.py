"""Records that come a little ahead of their use, in the order asked for."""

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


def test_batches_come_in_order_a_few_ahead_and_can_be_written_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, order = [], np.random.default_rng(0).permutation(20).reshape(10, 2)

    def take(rows: NDArray[np.intp]) -> Records:
        asked.append(rows)
        lent = RECORDS.take(rows)
        lent.x.flags.writeable = lent.labels["secret"].flags.writeable = False
        return lent

    monkeypatch.setattr(record_server.ray, "get", lambda found: found)
    keeper: Any = SimpleNamespace(take=SimpleNamespace(remote=take))
    coming: Iterator[Records] = RemoteRecords(keeper, 20).batches(iter(order))
    first = next(coming)
    assert len(asked) == 1 + record_server._AHEAD
    found = [first, *coming]
    assert len(found) == len(asked) == 10
    for rows, batch in zip(order, found, strict=True):
        np.testing.assert_array_equal(batch.x, RECORDS.x[rows])
        np.testing.assert_array_equal(batch.labels["secret"], RECORDS.labels["secret"][rows])
        assert batch.x.flags.writeable
        assert batch.labels["secret"].flags.writeable
