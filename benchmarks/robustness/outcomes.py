"""Prints how often each outcome of a fuzz came, and ends with 1 if one of them is a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer


def report(figures: Mapping[str, Any], faults: Sequence[str], *, as_json: bool) -> None:
    """Print the outcomes.

    Args:
        figures: Outcome -> how often it came, and what else there is to say.
        faults: Outcomes that must be 0.
        as_json: Print JSON, no lines.

    Raises:
        typer.Exit: Always; 1 after a fault.
    """
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            typer.echo(f"{name:<12}{value}")
    raise typer.Exit(int(any(figures[name] for name in faults)))
