"""`tiprdc self-test`: check the auditor on leaks of known size."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.progress import Progress


def self_test(
    full: Annotated[
        bool,
        typer.Option("--full", help="More people and replications: finer figures, many minutes."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check the auditor on leaks of known size.

    It must detect them, and raise no false alarms. Takes about a minute on one core. Exit code 0:
    every check holds, 1: the auditor is broken.
    """
    # Imported here: they load torch and scipy, which `tiprdc --help` does not need.
    from tiprdc.selftest.report import HEAD
    from tiprdc.selftest.run import self_test as run

    with Progress() as progress:
        result = run(quick=not full, progress=lambda _, share: progress("self-test", share))
    if as_json:
        terminal.print_json(result.to_dict())
    else:
        console = terminal.console()
        style = "bold green" if result.holds else "bold red"
        terminal.say(console, Text(result.headline(), style=style))
        terminal.print_table(console, HEAD, result.rows())
        console.print()
        terminal.say(console, Text(result.caution(), style="dim"))
    raise typer.Exit(0 if result.holds else 1)
