"""`tiprdc pull`: a registered version, every byte compared before anything is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiprdc.cli import terminal
from tiprdc.cli.commands.verify import said, show
from tiprdc.registry.pull import VersionSelector
from tiprdc.registry.pull import pull as fetch
from tiprdc.registry.signing import read_trust


def pull(
    repo: Annotated[str, typer.Argument(help="Folder or Git URL of the repository.")],
    artifact: Annotated[str, typer.Argument(help="Name in the registry.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="New folder.")],
    stage: Annotated[str | None, typer.Option(help="The version in this stage, e.g. prod.")] = None,
    version: Annotated[str | None, typer.Option(help="This version, e.g. v1.2.0.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="A smaller file, if one was released: int8 or fp16.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="KEYS", help="Take only what one of these keys signed.")
    ] = None,
    objected: Annotated[
        bool, typer.Option("--objected", help="Even if deprecated, or failed by a later audit.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Fetch a version, compare all of it with what Git says, or refuse and leave nothing."""
    trusted = None if trust is None else read_trust(trust)
    wanted = VersionSelector(
        artifact=artifact, stage=stage, version=version, variant=variant, objected=objected
    )
    checked = fetch(repo, wanted, out, trusted)
    if as_json:
        terminal.print_json({**said(checked), "folder": str(out)})
        return
    show(checked, f"in {out}")
