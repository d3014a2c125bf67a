"""`tiprdc`: what a consumer of an extractor types. Plain text into a pipe, tables in a terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tiprdc import __version__
from tiprdc.cli import terminal
from tiprdc.cli.commands.audit import audit
from tiprdc.cli.commands.doctor import doctor
from tiprdc.cli.commands.extract import extract
from tiprdc.cli.commands.inspect import inspect
from tiprdc.cli.commands.keygen import keygen
from tiprdc.cli.commands.lineage import lineage
from tiprdc.cli.commands.pull import pull
from tiprdc.cli.commands.self_test import self_test
from tiprdc.cli.commands.verify import verify
from tiprdc.errors import TiprdcError

USER_MISTAKE = 2
"""Exit code when the user can fix it."""

_commands = typer.Typer(
    help="Run, audit and look at extractors that hide a private attribute.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_COMMANDS = (audit, doctor, extract, inspect, keygen, lineage, pull, self_test, verify)

for _command in _COMMANDS:
    _commands.command()(_command)


def _version(asked: bool) -> None:
    if asked:
        terminal.console().print(f"tiprdc {__version__}", highlight=False)
        raise typer.Exit


@_commands.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run, audit and look at extractors that hide a private attribute."""


def app() -> None:
    """Entry point: a user's mistake is a message and exit code 2, never a traceback."""
    try:
        _commands()
    except TiprdcError as error:
        Console(stderr=True, highlight=False).print(Text(str(error)), soft_wrap=True)
        sys.exit(USER_MISTAKE)
