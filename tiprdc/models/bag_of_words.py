"""A weighted sum of embeddings for text: which words it holds, wherever they stand.

A topic model in spirit. Its few steps of arithmetic allow large batches, and on short texts it
keeps more than a network that reads them in order (docs/method.md).

Source: Sparck Jones 1972 (inverse document frequency); Deerwester et al. 1990 (latent semantic
analysis, whose weights and lengths these are).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.embedding import embedding
from tiprdc.models.trunk_output import TrunkOutput

_RAREST = 1e-3
"""Tokens that fewer of the texts hold weigh alike: no weight tells of a few people's words."""


class Bag(nn.Module):
    """Token ids `[B, T]`, 0 for padding -> `Views`: each token's embedding, and one vector.

    The vector is made from sum_t w_t e_t / sqrt(sum_t w_t^2) over the true tokens, 0 where there
    is none, with w = log(1 + 1 / share of the texts seen in training that hold the token).

    Args:
        vocabulary_size: Number V of token ids.
        width: Width of the embedding.
        out: Width of the vector.
    """

    group: BatchGroup = SINGLE_PROCESS
    weights: Tensor
    texts: Tensor
    holders: Tensor

    def __init__(self, vocabulary_size: int, width: int, out: int) -> None:
        super().__init__()
        self.embedding = embedding(vocabulary_size, width)
        self.out = nn.Linear(width, out)
        self.local_width, self.places = width, 1
        # The counts stay at home: an exported file has the weights alone.
        self.register_buffer("weights", torch.ones(vocabulary_size))
        self.register_buffer("texts", torch.zeros((), dtype=torch.float64))
        self.register_buffer("holders", torch.zeros(vocabulary_size, dtype=torch.float64))

    def forward(self, x: Tensor) -> TrunkOutput:
        if self.training:
            self._count(x)
        there = x > 0
        weight = self.weights[x] * there
        embedded = self.embedding(x)
        length = weight.square().sum(1, keepdim=True).clamp(min=1e-6).sqrt()
        whole = self.out((embedded * weight.unsqueeze(2)).sum(1) / length)
        return TrunkOutput(local=embedded, mask=there.float(), global_=whole)

    @torch.no_grad()
    def _count(self, x: Tensor) -> None:
        """Count these texts, and weigh by all counted so far: about 0.7 for a token of every text
        to 6.9."""
        held = torch.zeros(len(x), len(self.holders), device=x.device).scatter_(1, x, 1.0).mean(0)
        share, _ = self.group.moments(held, held * (1 - held))
        count = self.group.records(len(x))
        self.texts.add_(count)
        self.holders.add_((share.double() * count).round())
        seen = (self.holders / self.texts).float().clamp(min=_RAREST)
        self.weights.copy_(torch.log1p(1 / seen))
