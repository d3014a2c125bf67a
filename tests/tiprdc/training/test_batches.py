"""Order of the batches, and their division among workers."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.trainers import MakeTrainer
from tiprdc.errors import DataError
from tiprdc.training.worker import WorkerContext


def test_workers_share_each_step_of_one_order(make_trainer: MakeTrainer) -> None:
    single = list(make_trainer()._epoch_batches(80))
    parts = [
        list(make_trainer(worker=WorkerContext(rank=rank, world=2))._epoch_batches(80))
        for rank in (0, 1)
    ]
    assert len(single) == 5
    for batch, first, second in zip(single, *parts, strict=True):
        assert torch.cat([first, second]).tolist() == batch.tolist()
    assert sorted(torch.cat(single).tolist()) == list(range(80))


def test_too_few_records_for_the_workers_are_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(DataError, match="6 records for 2 workers"):
        list(make_trainer(worker=WorkerContext(world=2))._epoch_batches(6))
