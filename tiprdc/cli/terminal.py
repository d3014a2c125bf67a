"""How commands speak: tables and sentences to a person, plain lines and JSON to a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Columns of a line that nobody looks at in a terminal: enough that no row is broken."""

NARROW = ("verdict", "strongest, %", "prior", "floor", "limit", "ceiling", "lost")
"""Columns that are never broken: those with names give way."""


def console() -> Console:
    """Standard output; wide when it is not a terminal, so that no program meets a broken row."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def errors() -> Console:
    """Standard error, for what went wrong."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDE, highlight=False)


def print_json(document: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(document, indent=2))


def say(console: Console, sentence: Text) -> None:
    """Wrapped where a person reads it, one line where a program does."""
    console.print(sentence, soft_wrap=not console.is_terminal)


def print_table(console: Console, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows; text stays text, whatever brackets a stranger's name has."""
    plain = not console.is_terminal
    style = None if plain else box.SIMPLE_HEAD
    table = Table(box=style, pad_edge=False, show_edge=False, collapse_padding=not plain)
    for title in head:
        heading = Text(title, style="" if plain else "bold")
        table.add_column(heading, overflow="fold", no_wrap=title in NARROW)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(table)
