"""An embedding and an LSTM for text, as in the paper (Li et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.models.trunks.embedding import embedding
from tiprdc.models.trunks.trunk_output import TrunkOutput


class Lstm(nn.Module):
    """Token ids `[B, T]`, 0 for padding -> `TrunkOutput`: token embeddings, and one vector.

    The vector is a linear map of the mean and the maximum of the LSTM's outputs over the true
    tokens.

    Args:
        vocabulary_size: Number of token ids.
        width: Width of the embedding and of the LSTM.
        out: Width of the vector.
    """

    def __init__(self, vocabulary_size: int, width: int, out: int) -> None:
        super().__init__()
        self.embedding = embedding(vocabulary_size, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.out = nn.Linear(2 * width, out)
        self.local_width, self.positions = width, 1

    def forward(self, x: Tensor) -> TrunkOutput:
        mask = (x > 0).float()
        embedded = self.embedding(x)
        steps, _ = self.lstm(embedded)
        weight = mask.unsqueeze(2)
        mean = (steps * weight).sum(1) / weight.sum(1).clamp(min=1)
        top = (steps * weight - (1 - weight)).amax(1)
        vector = self.out(torch.cat([mean, top], dim=1))
        return TrunkOutput(local=embedded, mask=mask, global_=vector)
