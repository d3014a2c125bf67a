"""Where the user's own state is kept, between runs."""

from __future__ import annotations

import os
from pathlib import Path


def user_state() -> Path:
    """The user's folder of state; it may be absent.

    Raises:
        RuntimeError: The user has no home.

    Source: the XDG Base Directory Specification.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "tiprdc"
