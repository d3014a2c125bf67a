"""`tiprdc pull`: fetch a registered version; the folder appears only if every byte is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiprdc.cli import terminal
from tiprdc.cli.commands.verify import document, show
from tiprdc.cli.trust_option import Trust
from tiprdc.registry.pull import VersionSelector
from tiprdc.registry.pull import pull as fetch
from tiprdc.registry.signing import read_trust


def pull(
    repo: Annotated[str, typer.Argument(help="Folder or Git URL of the repository.")],
    artifact: Annotated[str, typer.Argument(help="Name in the registry, such as extractor.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="New folder.")],
    stage: Annotated[
        str | None, typer.Option(help="The version in this lifecycle stage, e.g. prod.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="This version, e.g. v1.2.0.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="A smaller file, if one was released: int8 or fp16.")
    ] = None,
    trust: Trust = None,
    allow_deprecated: Annotated[
        bool,
        typer.Option("--allow-deprecated", help="Also if deprecated or failed by a later audit."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Fetch a released version, and verify every file.

    Every file is compared with the statement of the version, and with --trust the statement with
    its signature. The folder holds all files, or does not exist. By default the newest version is
    taken that is neither deprecated nor failed by a later audit.
    """
    trusted = None if trust is None else read_trust(trust)
    selector = VersionSelector(
        artifact=artifact,
        stage=stage,
        version=version,
        variant=variant,
        allow_deprecated=allow_deprecated,
    )
    verified = fetch(repo, selector, out, trusted)
    if as_json:
        terminal.print_json({**document(verified), "folder": str(out)})
        return
    show(verified, out)
