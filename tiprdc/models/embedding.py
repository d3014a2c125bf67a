"""Token ids -> vectors, small enough at first to be learnt."""

from __future__ import annotations

import torch
from torch import nn

_SMALL = 0.05


def embedding(vocabulary_size: int, width: int) -> nn.Embedding:
    """`[B, T]` token ids -> `[B, T, width]`; padding, id 0, is zero and stays so.

    Adam moves a number by about its rate in a step, whatever the gradient. Rows of torch's own
    standard normal numbers are still what they were after the few hundred steps that some thousand
    texts give: features were then projections of words at random (docs/method.md).
    """
    table = nn.Embedding(vocabulary_size, width, padding_idx=0)
    with torch.no_grad():
        table.weight.mul_(_SMALL)
    return table
