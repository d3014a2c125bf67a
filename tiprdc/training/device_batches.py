"""Batches on the device that trains: on a GPU the next one is copied while it computes on this one.

The copy comes from pinned memory, on a stream of its own, so that neither the processor nor the
GPU's kernels wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tiprdc.datasets.schema import Records
from tiprdc.training.batches import labels

DeviceBatch = tuple[Tensor, ...]


def device_batches(
    batches: Iterable[Records], private: Iterable[str], device: torch.device
) -> Iterator[DeviceBatch]:
    """x `[B, *shape]` and private attributes `[B, A]` of each batch, on the device.

    Args:
        batches: On the CPU, in the order of their use.
        private: Names of the attributes.
        device: Where they go.
    """
    names = list(private)
    tensors = ((torch.from_numpy(batch.x), labels(batch, names)) for batch in batches)
    if device.type != "cuda":
        return (tuple(part.to(device) for part in batch) for batch in tensors)
    return _copied_ahead(tensors, device)


def _copied_ahead(batches: Iterator[DeviceBatch], device: torch.device) -> Iterator[DeviceBatch]:
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
    ahead: DeviceBatch | None = None
    for batch in batches:
        # The first copy is not waited for until a second one is on its way.
        with torch.cuda.stream(stream):
            copied = tuple(part.pin_memory().to(device, non_blocking=True) for part in batch)
        if ahead is not None:
            yield _ready(ahead, stream, device)
        ahead = copied
    if ahead is not None:
        yield _ready(ahead, stream, device)


def _ready(batch: DeviceBatch, stream: torch.cuda.Stream, device: torch.device) -> DeviceBatch:
    """The batch, after its copy: the stream that computes waits for it, the processor does not."""
    current = torch.cuda.current_stream(device)
    current.wait_stream(stream)
    for part in batch:
        # Its memory belongs to the copying stream, and is in use until the computing one is done.
        part.record_stream(current)
    return batch
