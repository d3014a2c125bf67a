"""`tiprdc doctor`: what stands in the way on this machine, and the mend of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tiprdc import terminal
from tiprdc.errors import DataError

if TYPE_CHECKING:
    from tiprdc.doctor import Finding

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
        rows = [(f.state, f.about, f.found, f.mend) for f in findings]
        terminal.print_table(terminal.console(), ("", "what", "found", "mend"), rows)
        warnings = sum(finding.state == "warning" for finding in findings)
        said = f"{problems} problems, {warnings} warnings."
        terminal.say(terminal.console(), Text(said, style="bold red" if problems else "bold"))
    if problems:
        raise typer.Exit(PROBLEMS)


def _examine(folder: Path) -> Iterator[Finding]:
    from tiprdc import doctor, reachable

    yield from doctor.versions(folder)
    yield from reachable.git(folder)
    yield from reachable.dvc(folder)
    yield from doctor.keys(folder)
    yield from doctor.release(folder)
    yield from reachable.ray()
    yield from reachable.network()
    yield from doctor.space(folder)
