"""What a trunk sees of a record: its pieces and the whole."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrunkOutput(NamedTuple):
    """Two views of a batch of records.

    Args:
        pieces: `[B, L, W]`, one vector for each patch, column or token.
        mask: `[B, L]`, 1 where a piece is there, or None if all are.
        whole: `[B, D]`, one vector for the record.
    """

    local: Tensor
    mask: Tensor | None
    global_: Tensor
