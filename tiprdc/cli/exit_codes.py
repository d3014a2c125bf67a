"""Exit codes of commands that end with a verdict: neither a crash nor an interrupt may be one."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tiprdc.errors import CRASH, INTERRUPTED


@contextmanager
def no_verdict_by_accident() -> Iterator[None]:
    """End with `CRASH` after an error of ours, and with `INTERRUPTED` after Ctrl-C."""
    try:
        yield
    except SystemExit as ended:
        # Typer ends with 1 on an interrupt.
        if isinstance(ended.__context__, typer.Abort):
            sys.exit(INTERRUPTED)
        raise
    except Exception:
        traceback.print_exc()
        sys.exit(CRASH)
