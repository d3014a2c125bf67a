"""Bag of words for text: a weighted sum of token embeddings, in any order.

It needs little arithmetic, so batches can be large, and on short texts it keeps more than a network
that reads tokens in order (docs/method.md).

Source: Sparck Jones 1972 (inverse document frequency); Deerwester et al. 1990 (latent semantic
analysis: the same weights and lengths).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.trunks.embedding import embedding
from tiprdc.models.trunks.trunk_output import TrunkOutput

_MIN_SHARE = 1e-3
"""Tokens in a smaller share of the texts all have one weight, so that no weight shows the words of
a few people."""


class BagOfWords(nn.Module):
    """Token ids `[B, T]`, 0 for padding -> `TrunkOutput`: token embeddings, and one vector.

    The vector is a linear map of sum_t w_t e_t / sqrt(sum_t w_t^2) over the true tokens, of 0 for
    a text without tokens, with w = log(1 + 1 / share of the training texts with the token).

    Args:
        vocabulary_size: Number V of token ids.
        width: Width of the embedding.
        out: Width of the vector.
    """

    group: BatchGroup = SINGLE_PROCESS
    weights: Tensor
    texts: Tensor
    texts_with_token: Tensor

    def __init__(self, vocabulary_size: int, width: int, out: int) -> None:
        super().__init__()
        self.embedding = embedding(vocabulary_size, width)
        self.out = nn.Linear(width, out)
        self.local_width, self.positions = width, 1
        # The counts are private: an exported file has the weights alone.
        self.register_buffer("weights", torch.ones(vocabulary_size))
        self.register_buffer("texts", torch.zeros((), dtype=torch.float64))
        self.register_buffer("texts_with_token", torch.zeros(vocabulary_size, dtype=torch.float64))

    def forward(self, x: Tensor) -> TrunkOutput:
        if self.training:
            self._count(x)
        is_token = x > 0
        weight = self.weights[x] * is_token
        embedded = self.embedding(x)
        length = weight.square().sum(1, keepdim=True).clamp(min=1e-6).sqrt()
        vector = self.out((embedded * weight.unsqueeze(2)).sum(1) / length)
        return TrunkOutput(local=embedded, mask=is_token.float(), global_=vector)

    @torch.no_grad()
    def _count(self, x: Tensor) -> None:
        """Count these texts and update the weights: from about 0.7 for a token in every text to
        6.9."""
        contains = torch.zeros(len(x), len(self.weights), device=x.device).scatter_(1, x, 1.0)
        frequency = contains.mean(0)
        share, _ = self.group.moments(frequency, frequency * (1 - frequency))
        count = self.group.records(len(x))
        self.texts.add_(count)
        self.texts_with_token.add_((share.double() * count).round())
        shares = (self.texts_with_token / self.texts).float().clamp(min=_MIN_SHARE)
        self.weights.copy_(torch.log1p(1 / shares))
