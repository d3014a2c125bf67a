"""`tiprdc forget`: has a collector delete all that this device sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tiprdc.cli import sending, terminal


def forget(
    url: Annotated[str, typer.Argument(help="The collector's URL, as given to --send.")],
    token_file: Annotated[
        Path, typer.Option(metavar="FILE", help="File with the token that the collector gave you.")
    ],
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="As given to `tiprdc extract --state`.")
    ] = None,
) -> None:
    """Have a collector delete all features of this device.

    The device then forgets who it was there. Copies that the collector exported before are not
    deleted by this. Exit code 0 if the collector has deleted them, 3 if it did not answer so.
    """
    from tiprdc.runtime.outbox import Outbox
    from tiprdc.runtime.sending import forget as delete

    client, folder = sending.connect(url, token_file, state)
    with Outbox(folder) as outbox:
        answer = delete(outbox, client)
    if not answer.is_success:
        terminal.note(sending.explain(answer))
        raise typer.Exit(sending.NOT_SENT)
    terminal.console().print("The collector has deleted all that this device sent.")
