"""A recurrent network on token ids: uses word order, where the text record itself is attacked."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.attacks.base import Attack, Attacker
from tiprdc.attacks.families.torch_attack import NetworkSpec, fit_network

WIDTHS = (64, 128)
"""Embedding and state width; a budget of n tries the first n."""


class GruAttack(Attack):
    """Embedding, a GRU in both directions, mean and maximum over the tokens."""

    name = "gru"
    uses_gpu = True
    kinds = frozenset({"text"})
    random = True
    most_records = 8000

    def fit(
        self, z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int, budget: int
    ) -> Attacker:
        vocabulary = int(z.max()) + 1
        specs = [
            NetworkSpec(build=partial(_GruNetwork, vocabulary, width), epochs=6, learning_rate=4e-3)
            for width in WIDTHS[:budget]
        ]
        return fit_network(specs, partial(known_tokens, vocabulary), z, u, classes, seed)


def known_tokens(vocabulary: int, z: NDArray[Any]) -> Tensor:
    """Ids `[N, T]` int64; ids beyond attacker-train's vocabulary become padding (0)."""
    return torch.from_numpy(np.where(z < vocabulary, z, 0).astype(np.int64))


class _GruNetwork(nn.Module):
    def __init__(self, vocabulary: int, width: int, record: Tensor, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        self.read = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(4 * width, classes))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids `[B, T]` -> logits `[B, K]`."""
        longest = max(1, int((ids > 0).any(0).nonzero().max()) + 1 if ids.any() else 1)
        ids = ids[:, :longest]
        states, _ = self.read(self.embed(ids))
        word = (ids > 0).unsqueeze(2)
        mean = (states * word).sum(1) / word.sum(1).clamp(min=1)
        peak = states.masked_fill(~word, -1.0).amax(1)
        logits: Tensor = self.head(torch.cat([mean, peak], dim=1))
        return logits
