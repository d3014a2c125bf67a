"""Token embeddings with small initial values, so that a few hundred steps can train them."""

from __future__ import annotations

import torch
from torch import nn

_SCALE = 0.05


def embedding(vocabulary_size: int, width: int) -> nn.Embedding:
    """`[B, T]` token ids -> `[B, T, width]`; padding, id 0, is zero and stays so.

    Adam changes a number by about its rate in a step, for any gradient. With torch's standard
    normal initialisation the rows barely change in the few hundred steps of some thousand texts,
    and features stay random projections of words (docs/method.md).
    """
    table = nn.Embedding(vocabulary_size, width, padding_idx=0)
    with torch.no_grad():
        table.weight.mul_(_SCALE)
    return table
