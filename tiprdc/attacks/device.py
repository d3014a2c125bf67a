"""Where the networks of attacks are trained, and with which precision."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch


def attack_device() -> torch.device:
    """A GPU where this process sees one, else the CPU."""
    # So Ray hides the GPUs from a task that has none; CUDA, once asked, would find none in the
    # next task of the same process either.
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 in matrix products where the processor has instructions for it, else float32."""
    if device.type == "cpu":
        features = torch.cpu.get_capabilities()
        if not (features.get("avx512_bf16") or features.get("amx_bf16")):
            return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
