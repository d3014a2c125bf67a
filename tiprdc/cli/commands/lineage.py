"""`tiprdc lineage`: from a release back to its audit, data, settings and code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.registry.lineage import Lineage, trace
from tiprdc.registry.signing import read_trust


def lineage(
    repo: Annotated[str, typer.Argument(help="Folder or Git URL of the repository.")],
    version: Annotated[str, typer.Argument(help="Such as extractor@v1.2.0.")],
    trust: Annotated[
        Path | None, typer.Option(metavar="KEYS", help="One of these keys must have signed it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Walk from a release to data digest, settings, code and audit; each link is compared."""
    found = trace(repo, version, None if trust is None else read_trust(trust))
    if as_json:
        terminal.print_json(found.document())
        return
    _show(found)


def _show(found: Lineage) -> None:
    console = terminal.console()
    terminal.print_table(console, ("", found.name), found.rows())
    for stage, sides in found.stages.items():
        rows = [(side, path, digest) for side in sides for path, digest in sides[side].items()]
        terminal.print_table(console, (stage, "path", "digest"), rows)
    for complaint in found.broken:
        terminal.say(console, Text(f"Broken: {complaint}", style="bold red"))
    if found.broken:
        raise typer.Exit(1)
