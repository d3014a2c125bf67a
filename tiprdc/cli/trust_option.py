"""The option of every command that can check who signed a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Trust = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYS",
        help="Trust file of keygen: refuse what none of its keys signed. Without it no signature"
        " is checked.",
    ),
]
