"""`tiprdc self-test`: whether the auditor's alarms are right, on leaks of known size."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.progress import Progress


def self_test(
    full: Annotated[
        bool, typer.Option("--full", help="More people and replications: finer figures, slower.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Audit leaks of known size: does the auditor find them, and keep quiet where there are none?

    Exit code 0 if every check holds, 1 if the auditor is broken.
    """
    # Needs torch and scipy, which `tiprdc --help` does not.
    from tiprdc.selftest.report import HEAD
    from tiprdc.selftest.run import self_test as run

    with Progress() as progress:
        found = run(quick=not full, progress=lambda _, share: progress("self-test", share))
    if as_json:
        terminal.print_json(found.to_dict())
    else:
        console = terminal.console()
        style = "bold green" if found.holds else "bold red"
        terminal.say(console, Text(found.headline(), style=style))
        terminal.print_table(console, HEAD, found.rows())
        console.print()
        terminal.say(console, Text(found.caution(), style="dim"))
    raise typer.Exit(0 if found.holds else 1)
