"""Draws of a release's noise for an attacker's own records.

Whoever holds the extractor can run it on own records as often as it likes, while a stranger sends
each record once. From several draws an attacker learns what one draw hides.
"""

from __future__ import annotations

import numpy as np

DRAWS, FEWEST = 8, 2
"""Draws of each record where memory allows it, and where it does not."""
MOST_NUMBERS = 2**28
"""Of all draws of all records: 1 GiB."""


def draws_of(records: int, features: int) -> int:
    """Draws of each record, for so many records with so many features."""
    return int(np.clip(MOST_NUMBERS // (records * features), FEWEST, DRAWS))
