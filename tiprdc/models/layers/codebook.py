"""A codebook: each record is released as one of K prototype vectors.

An attacker of continuous features may always know more people than the audit. On a finite code the
best attacker of all is a table, and its accuracy has an upper bound that holds for everybody
(tiprdc/statistics/certificate.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOST_CODES = 4096
"""Codes; the audit takes features of more values for no code."""
_NEVER = 1e30
"""Offset of a code that is never given."""


class Codebook(nn.Module):
    """Features `[B, D]` -> number and prototype of each record's cell.

        k = argmax_k  <z, w_k> - b_k

    With w_k the prototypes and b_k half their squared norms, k is the nearest prototype; other w_k
    and b_k measure distance otherwise.

    Args:
        codes: K.
        width: D.
    """

    prototypes: Tensor
    weights: Tensor
    offsets: Tensor
    is_filled = False
    """Whether there are codes yet."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(codes, width))
        self.register_buffer("weights", torch.zeros(codes, width))
        self.register_buffer("offsets", torch.zeros(codes))
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]

    def number(self, z: Tensor) -> Tensor:
        """Code of each row `[B]`, int64, 0..K-1."""
        return (z @ self.weights.T - self.offsets).argmax(1)

    def forward(self, z: Tensor) -> Tensor:
        """Prototype of each row `[B, D]`."""
        return self.prototypes[self.number(z)]

    @torch.no_grad()
    def fill(self, prototypes: Tensor, weights: Tensor, offsets: Tensor) -> None:
        """Set the first k codes; those after them are never given.

        Args:
            prototypes: `[k, D]`, 1 <= k <= K.
            weights: w `[k, D]`.
            offsets: b `[k]`.
        """
        count = len(prototypes)
        self.prototypes.zero_()[:count] = prototypes
        self.weights.zero_()[:count] = weights
        self.offsets.fill_(_NEVER)[:count] = offsets
        self.is_filled = True


def _loaded(codebook: nn.Module, _: object) -> None:
    """Whether a checkpoint's codebook is filled follows from its weights."""
    assert isinstance(codebook, Codebook)
    codebook.is_filled = bool(codebook.weights.any())
