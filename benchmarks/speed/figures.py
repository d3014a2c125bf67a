"""Prints the figures of a benchmark: a table for people, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

import typer
from rich.console import Console
from rich.table import Table


def show(figures: Mapping[str, float], *, as_json: bool) -> None:
    """Print what was measured, three digits at least."""
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    table = Table("what", "measured")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3g}" if value < 1000 else f"{value:,.0f}")
    Console().print(table)
