"""A GPU that computes nothing: torch checks devices and shapes of every operation, without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

GPU = torch.device("cuda", 0)


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Tensors may be on `GPU`; an operation on tensors of two devices raises, as on a real one."""
    with pytest.MonkeyPatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True):
        # Module.to would swap tensors in place, which fakes do not allow.
        patch.setattr(nn.Module, "to", _to)
        patch.setattr(torch.cuda, "current_device", lambda: 0)
        patch.setattr(torch.random, "fork_rng", _no_fork)
        yield


def _to(module: nn.Module, device: Any) -> nn.Module:
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(weight.detach().to(device))
        for name, buffer in part._buffers.items():
            part._buffers[name] = None if buffer is None else buffer.to(device)
    return module


@contextmanager
def _no_fork(**_: Any) -> Iterator[None]:
    yield
