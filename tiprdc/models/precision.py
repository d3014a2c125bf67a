"""Precision of products of float32 numbers on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def set_products(precision: str) -> None:
    """Set whether NVIDIA's GPUs round products of float32, for this process.

    PyTorch's own default rounds those of convolutions to TF32 (10 bits of mantissa) and leaves
    other products exact: here both are exact unless the setting says otherwise.

    Args:
        precision: As in `train.schedule.precision`.
    """
    _set_tf32(precision == "tf32")


@contextmanager
def exact_products() -> Iterator[None]:
    """Products of float32 in full precision, for the forward pass of a block."""
    before = torch.backends.cuda.matmul.allow_tf32
    _set_tf32(False)
    try:
        yield
    finally:
        _set_tf32(before)


def _set_tf32(allowed: bool) -> None:
    # `fp32_precision` would leave flags in which torch.export fails (torch 2.14).
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
