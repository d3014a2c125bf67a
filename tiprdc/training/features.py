"""Run a network over many records, a chunk at a time, without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.training.batches import CHUNK


def batched_output(
    network: Callable[[Tensor], Tensor], x: NDArray[Any], device: torch.device
) -> Tensor:
    """The output `[N, ...]` of a network for records `[N, *shape]`, on the CPU."""
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(x), CHUNK)
        return torch.cat([network(part.to(device)).cpu() for part in parts])
