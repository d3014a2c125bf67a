"""`tiprdc verify`: is a pulled folder still what was released? Offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.registry.pull import VerifiedRelease
from tiprdc.registry.pull import verify as check
from tiprdc.registry.signing import read_trust


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `tiprdc pull` wrote.")],
    trust: Annotated[
        Path | None, typer.Option(metavar="KEYS", help="One of these keys must have signed it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Compare every file with the statement, and the statement with a signature."""
    checked = check(folder, None if trust is None else read_trust(trust))
    if as_json:
        terminal.print_json({**said(checked), "folder": str(folder)})
        return
    show(checked, f"in {folder}")


def said(checked: VerifiedRelease) -> dict[str, Any]:
    """A checked release for programs."""
    release = checked.release
    return {
        "artifact": release.artifact,
        "version": release.version,
        "revision": release.revision,
        "verdict": release.verdict,
        "suite_version": release.suite_version,
        "model_sha256": release.model_sha256,
        "vouched_by": checked.key.name if checked.key else None,
        "files": sorted(release.files),
    }


def show(checked: VerifiedRelease, place: str) -> None:
    """A checked release for a person: what it is, and who says so."""
    console, release = terminal.console(), checked.release
    what = f"{release.artifact}@{release.version} {place}: {len(release.files)} files as stated; "
    verdict = f"audit {release.verdict} by suite {release.suite_version}"
    terminal.say(console, Text(what + verdict))
    if checked.key:
        terminal.say(console, Text(f"Vouched for by {checked.key.name} (key {checked.key.id})."))
    else:
        warning = (
            "Nobody vouched for it: the files are what the repository says, and whoever can write"
            " to the repository can say anything. Give --trust KEYS."
        )
        terminal.say(console, Text(warning, style="yellow"))
