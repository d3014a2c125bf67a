"""`tiprdc keygen`: make a key that signs releases, and the trust file for those who pull."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.errors import ConfigError
from tiprdc.registry.signing import generate


def keygen(
    name: Annotated[str, typer.Argument(help="Owner of the key, as those who pull will see it.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="KEY",
            help="New file for the private key, outside of every repository.",
        ),
    ],
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Last day (UTC) on which signatures are accepted. Default: no last day.",
        ),
    ] = None,
) -> None:
    """Make a key to sign releases with.

    KEY is the private key (Ed25519): keep it. Give KEY.trust.json to those who pull.
    """
    last_day, today = expires and expires.date(), datetime.now(UTC).date()
    if last_day and last_day < today:
        raise ConfigError("--expires", f"{last_day} is over", f"{today} (today) or later")
    trust = out.with_name(f"{out.name}.trust.json")
    key_id = generate(name, out, trust, last_day)
    console = terminal.console()
    terminal.say(
        console,
        Text(f"Private key {key_id[:16]} in {out}: keep it there, readable only by you."),
    )
    terminal.say(
        console,
        Text(
            f"Public key in {trust}: give it to those who pull, through a channel that they trust."
        ),
    )
