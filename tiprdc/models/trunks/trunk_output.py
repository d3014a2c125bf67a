"""The output of a trunk: one vector for each part of a record, and one for the whole record."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrunkOutput(NamedTuple):
    """Local and global vectors of a batch of records.

    Args:
        local: `[B, L, W]`, one vector for each patch, column or token.
        mask: `[B, L]`, 1 for a part that exists and 0 for padding, or None without padding.
        global_: `[B, D]`, one vector for the record.
    """

    local: Tensor
    mask: Tensor | None
    global_: Tensor
