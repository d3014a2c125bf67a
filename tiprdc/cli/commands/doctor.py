"""`tiprdc doctor`: what stands in the way on this machine, and a hint for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.errors import DataError

if TYPE_CHECKING:
    from tiprdc.cli.machine_checks import Finding

PROBLEMS = 1


def doctor(
    path: Annotated[Path, typer.Argument(help="A clone of the project, or a release.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Look for what stands in the way here. Exit code 1 if something does."""
    if not path.is_dir():
        raise DataError(str(path), "no such folder", "a clone of the project, or a release")
    findings = list(_examine(path))
    problems = sum(finding.state == "problem" for finding in findings)
    if as_json:
        told = {"problems": problems, "findings": [asdict(finding) for finding in findings]}
        terminal.print_json(told)
    else:
        rows = [(f.state, f.about, f.found, f.hint) for f in findings]
        terminal.print_table(terminal.console(), ("", "what", "found", "hint"), rows)
        warnings = sum(finding.state == "warning" for finding in findings)
        said = f"{problems} problems, {warnings} warnings."
        terminal.say(terminal.console(), Text(said, style="bold red" if problems else "bold"))
    if problems:
        raise typer.Exit(PROBLEMS)


def _examine(folder: Path) -> Iterator[Finding]:
    from tiprdc.cli import machine_checks, network_checks

    yield from machine_checks.versions(folder)
    yield from network_checks.git(folder)
    yield from network_checks.dvc(folder)
    yield from machine_checks.keys(folder)
    yield from machine_checks.release(folder)
    yield from network_checks.ray()
    yield from network_checks.network()
    yield from machine_checks.space(folder)
