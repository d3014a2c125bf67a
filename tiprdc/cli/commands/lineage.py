"""`tiprdc lineage`: trace a release back to its audit, data, settings and code."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.trust_option import Trust
from tiprdc.registry.lineage import Lineage, trace
from tiprdc.registry.signing import read_trust


def lineage(
    repo: Annotated[str, typer.Argument(help="Folder or Git URL of the repository.")],
    version: Annotated[str, typer.Argument(help="Such as extractor@v1.2.0.")],
    trust: Trust = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Trace a release to its audit, data, settings and code.

    Each link is checked. Exit code 0: all hold, 1: one is broken.
    """
    origin = trace(repo, version, None if trust is None else read_trust(trust))
    if as_json:
        terminal.print_json(origin.document())
        return
    _show(origin)


def _show(origin: Lineage) -> None:
    console = terminal.console()
    terminal.print_table(console, ("", origin.name), origin.rows())
    for stage, sides in origin.stages.items():
        rows = [(side, path, digest) for side in sides for path, digest in sides[side].items()]
        terminal.print_table(console, (stage, "path", "digest"), rows)
    for sentence in origin.broken:
        terminal.say(console, Text(f"Broken: {sentence}", style="bold red"))
    if origin.broken:
        raise typer.Exit(1)
