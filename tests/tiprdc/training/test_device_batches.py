"""Batches of a GPU are copied ahead, on a stream of their own; those of a CPU as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tiprdc.datasets.schema import Records
from tiprdc.training.device_batches import device_batches

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def batches(events: list[str]) -> Iterator[Records]:
    for number in range(3):
        events.append(f"read {number}")
        labels = {"a": np.full(2, number), "b": np.full(2, -number)}
        yield Records(np.full((2, 4), number, np.uint8), labels, np.array(["p", "q"]))


def values(batch: tuple[torch.Tensor, ...]) -> tuple[int, list[int]]:
    x, u = batch
    return int(x[0, 0]), u[0].tolist()


def test_batches_of_a_cpu_are_read_as_they_are_used() -> None:
    events: list[str] = []
    for number, batch in enumerate(device_batches(batches(events), ["a", "b"], CPU)):
        assert values(batch) == (number, [number, -number])
        events.append(f"used {number}")
    assert events == ["read 0", "used 0", "read 1", "used 1", "read 2", "used 2"]


def test_next_batch_is_on_its_way_to_a_gpu_before_this_one_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a GPU: what is asked of torch, in which order."""
    events: list[str] = []
    computing = SimpleNamespace(wait_stream=lambda stream: events.append(f"wait for {stream}"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: "copies")
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)

    def copy(tensor: torch.Tensor, device: torch.device, **options: Any) -> torch.Tensor:
        assert (device, options) == (GPU, {"non_blocking": True})
        events.append("copy")
        return tensor

    def hold(tensor: torch.Tensor, stream: object) -> None:
        assert stream is computing

    monkeypatch.setattr(torch.Tensor, "to", copy)
    monkeypatch.setattr(torch.Tensor, "record_stream", hold)
    for number, batch in enumerate(device_batches(batches(events), ["a", "b"], GPU)):
        assert values(batch) == (number, [number, -number])
        events.append(f"used {number}")
    first, wait = ["read 0", "copy", "copy"], "wait for copies"
    second, third = (["read 1", "copy", "copy"], ["read 2", "copy", "copy"])
    assert events == [
        *first, *second, wait, "used 0", *third, wait, "used 1", wait, "used 2",
    ]  # fmt: skip


@pytest.mark.parametrize("device", [CPU, GPU])
def test_nothing_gives_nothing(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    assert list(device_batches([], ["a"], device)) == []
