"""Release what was audited: `python -m pipelines.release --bump minor`, and what follows.

Exit code 0: done. 1: refused, with every reason. 2: wrong usage.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.text import Text

from pipelines import lifecycle, releasing
from pipelines.console import run
from pipelines.readiness import ARTIFACT, REMOTE, Asked, Stage, check
from tiprdc import registry, terminal
from tiprdc.documents import printable
from tiprdc.errors import ReleaseError
from tiprdc.git import Git
from tiprdc.listing import detail, history_rows, show_rows
from tiprdc.statement import Release, parse_release
from tiprdc.versions import Bump, Registry

REFUSED = 1

_app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v1.2.0.")]
Key = Annotated[Path | None, typer.Option("--sign", metavar="KEY", help="Sign with this key.")]
Push = Annotated[bool, typer.Option("--push", help=f"Push the tags to {REMOTE}.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@_app.callback(invoke_without_command=True)
def release(
    context: typer.Context,
    bump: Annotated[Bump | None, typer.Option(help="Part of the version that rises.")] = None,
    stage: Annotated[Stage | None, typer.Option(help="Lifecycle stage that it enters.")] = None,
    key: Key = None,
    push: Push = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, make nothing.")] = False,
) -> None:
    """Register the audited extractor as a new version, or say everything that speaks against it."""
    if context.invoked_subcommand:
        return
    if bump is None:
        allowed = ", ".join(get_args(Bump))
        raise typer.BadParameter(f"one of {allowed} is needed", param_hint="--bump")
    asked, root = Asked(bump=bump, stage=stage, key=key, push=push), Path.cwd()
    ready = check(root, asked)
    said = parse_release(ready.statement, ready.version)
    if dry_run:
        _say(f"Nothing speaks against {ARTIFACT}@{ready.version}. Nothing was made (--dry-run).")
        return
    for tag in releasing.make(root, asked, ready):
        _say(f"Tag {tag}{' here and on ' + REMOTE if push else ''}")
    _say(f"{ARTIFACT}@{ready.version} is registered: {said.verdict} by suite {said.suite_version}.")
    _how_to_pull(said, asked)


@_app.command()
def promote(
    version: Name,
    stage: Annotated[Stage, typer.Option(help="Lifecycle stage that it enters.")],
    key: Key = None,
    push: Push = False,
) -> None:
    """Let a version enter a lifecycle stage; the one before it leaves."""
    _made(lifecycle.promote(Path.cwd(), version, stage, key, push), "nothing to do")


@_app.command()
def deprecate(
    version: Name,
    reason: Annotated[str, typer.Option(help="Why; whoever pulls it is told.")],
    push: Push = False,
) -> None:
    """Take a version back: pulls of it are refused with the reason."""
    _made(lifecycle.deprecate(Path.cwd(), version, reason, push), "nothing to do")


@_app.command()
def reaudit(
    version: Name,
    audit: Annotated[Path, typer.Argument(help="An audit.json about its model.")],
    push: Push = False,
) -> None:
    """Record a later audit of a version; unless it says PASS, pulls are refused from then on."""
    _made(lifecycle.reaudit(Path.cwd(), version, audit, push), "nothing to do")


@_app.command()
def history(as_json: Json = False) -> None:
    """Every version: when, from which commit, what its audit said then and says now."""
    found = _found()
    head, rows = history_rows(found)
    if as_json:
        terminal.print_json({"versions": [dict(zip(head, row, strict=True)) for row in rows]})
        return
    terminal.print_table(terminal.console(), head, rows)


@_app.command()
def show(
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]")] = None,
    as_json: Json = False,
) -> None:
    """Versions with lifecycle stages, verdicts and utility; or everything about one."""
    found = _found()
    if version is None:
        head, rows = show_rows(found)
        if as_json:
            terminal.print_json({"versions": [dict(zip(head, row, strict=True)) for row in rows]})
            return
        terminal.print_table(terminal.console(), head, rows)
        return
    chosen = found.version(version)
    if as_json:
        terminal.print_json(found.release(chosen).raw)
        return
    terminal.print_table(
        terminal.console(), ("", printable(chosen.tag.name)), detail(found, chosen)
    )


def _found() -> Registry:
    return registry.read(Git(Path.cwd()), ARTIFACT)


def _made(tags: list[str], otherwise: str) -> None:
    for tag in tags:
        _say(f"Tag {tag}")
    if not tags:
        _say(otherwise.capitalize())


def _how_to_pull(said: Release, asked: Asked) -> None:
    if not asked.push:
        _say(f"Push it when you like: git push {REMOTE} {ARTIFACT}@{said.version}")
    wanted = f"--stage {asked.stage}" if asked.stage else f"--version {said.version}"
    trust = " --trust KEYS" if asked.key else ""
    _say(f"Pull it: tiprdc pull REPO {ARTIFACT} {wanted}{trust} -o DIR")


def _say(sentence: str) -> None:
    terminal.say(terminal.console(), Text(sentence))


def main() -> None:
    """Entry point: a refusal is a list of reasons and exit code 1, never a traceback."""
    try:
        _app()
    except ReleaseError as error:
        terminal.say(terminal.errors(), Text(str(error)))
        sys.exit(REFUSED)


if __name__ == "__main__":
    run(main)
