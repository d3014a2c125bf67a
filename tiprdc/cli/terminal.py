"""Output of commands: tables and wrapped text on a terminal, plain lines and JSON in a pipe."""

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

from tiprdc.formats.files import sanitize

PIPE_WIDTH = 200
"""Characters of a line in a pipe: enough that no row of a table is broken."""

UNBROKEN_COLUMNS = ("verdict", "strongest, %", "prior", "floor", "limit", "ceiling", "lost")
"""Titles of columns that are never wrapped; columns of names are wrapped instead."""


def console() -> Console:
    """Standard output; wide if it is not a terminal, so that programs get unbroken rows."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def errors() -> Console:
    """Standard error, for error messages."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(document, indent=2))


def say(console: Console, sentence: Text) -> None:
    """Print a text: wrapped on a terminal, as one line in a pipe."""
    console.print(sentence, soft_wrap=not console.is_terminal)


def note(text: str) -> None:
    """Print a sentence on standard error."""
    say(errors(), Text(sanitize(text)))


def print_table(console: Console, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table; brackets in untrusted names are not read as markup."""
    plain = not console.is_terminal
    style = None if plain else box.SIMPLE_HEAD
    table = Table(box=style, pad_edge=False, show_edge=False, collapse_padding=not plain)
    for title in head:
        heading = Text(title, style="" if plain else "bold")
        table.add_column(heading, overflow="fold", no_wrap=title in UNBROKEN_COLUMNS)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(table)
