"""`tiprdc keygen`: a key to sign releases with, and the file by which others trust it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.registry.signing import generate


def keygen(
    name: Annotated[str, typer.Argument(help="Whose key it is, as pullers will read it.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="KEY", help="New file for the private key.")
    ],
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day on which signatures are accepted."),
    ] = None,
) -> None:
    """Make an Ed25519 key pair: KEY stays with you, KEY.trust.json goes to those who pull."""
    trust = out.with_name(f"{out.name}.trust.json")
    id_ = generate(name, out, trust, expires.date() if expires else None)
    console = terminal.console()
    terminal.say(console, Text(f"Private key {id_} in {out}: keep it out of Git, readable by you."))
    terminal.say(console, Text(f"Public key in {trust}: give it to pullers by a way they trust."))
