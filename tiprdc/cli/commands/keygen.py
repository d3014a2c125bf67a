"""`tiprdc keygen`: make a key that signs releases, and the trust file for those who pull."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.registry.signing import generate


def keygen(
    name: Annotated[str, typer.Argument(help="Owner of the key, as pullers will see it.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="KEY", help="New file for the private key.")
    ],
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day on which signatures are accepted."),
    ] = None,
) -> None:
    """Make an Ed25519 key pair: keep KEY, give KEY.trust.json to those who pull."""
    trust = out.with_name(f"{out.name}.trust.json")
    key_id = generate(name, out, trust, expires.date() if expires else None)
    console = terminal.console()
    terminal.say(
        console,
        Text(f"Private key {key_id[:16]} in {out}: keep it out of Git, readable only by you."),
    )
    terminal.say(
        console, Text(f"Public key in {trust}: give it to pullers through a channel they trust.")
    )
