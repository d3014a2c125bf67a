"""`tiprdc doctor`: checks this machine and prints a hint for each problem."""

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
    from tiprdc.cli.machine_checks import Check

PROBLEMS = 1
"""Exit code if a check finds a problem."""


def doctor(
    path: Annotated[
        Path, typer.Argument(help="A clone of the project, or the folder of a release.")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check this machine, and name what is missing.

    Packages, Git and DVC remotes, keys, a release, Ray, network and disk space are checked, in a
    clone of the project also its settings. Nothing is changed. A warning matters only to some uses;
    a problem stops something. Each comes with the step that helps. Exit code 0 without problems, 1
    with problems.
    """
    if not path.is_dir():
        raise DataError(str(path), "no such folder", "a clone of the project, or a release")
    checks = list(_run_checks(path))
    problems = sum(check.state == "problem" for check in checks)
    if as_json:
        document = {"problems": problems, "checks": [asdict(check) for check in checks]}
        terminal.print_json(document)
    else:
        rows = [(check.state, check.subject, check.result, check.hint) for check in checks]
        terminal.print_table(terminal.console(), ("", "subject", "result", "hint"), rows)
        warnings = sum(check.state == "warning" for check in checks)
        summary = f"{problems} problems, {warnings} warnings."
        terminal.say(terminal.console(), Text(summary, style="bold red" if problems else "bold"))
    if problems:
        raise typer.Exit(PROBLEMS)


def _run_checks(folder: Path) -> Iterator[Check]:
    from tiprdc.cli import git_checks, machine_checks, network_checks

    yield from machine_checks.versions(folder)
    yield from git_checks.git(folder)
    yield from network_checks.dvc(folder)
    yield from machine_checks.keys(folder)
    yield from machine_checks.release(folder)
    yield from machine_checks.project(folder)
    yield from network_checks.ray()
    yield from network_checks.network()
    yield from machine_checks.space(folder)
