"""The adversary c(z): a classifier of a private attribute, trained with the extractor."""

from __future__ import annotations

from torch import nn

from tiprdc.models.trunks.mlp import perceptron


def adversary(features: int, classes: int, *, width: int = 256) -> nn.Module:
    """Features `[B, D]` -> logits `[B, K]`."""
    return perceptron(features, width, classes, hidden=2)
