"""Release what was audited: `python -m pipelines.release --bump minor`, and what follows.

Exit code 0: done. 1: refused, with every reason. 2: wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.text import Text

from pipelines.observability.progress import run
from pipelines.release import lifecycle, publish
from pipelines.release.checks import ARTIFACT, REMOTE, ReleaseRequest, Stage, check
from tiprdc.cli import terminal
from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import artifact_of
from tiprdc.formats.release_statement import Release, parse_release
from tiprdc.registry import dvc_store
from tiprdc.registry.git import Git
from tiprdc.registry.tables import detail, history_rows, show_rows
from tiprdc.registry.versions import Bump, Registry

REFUSED = 1

_app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v1.2.0.")]
Key = Annotated[Path | None, typer.Option("--sign", metavar="KEY", help="Sign with this key.")]
Variant = Annotated[
    str | None, typer.Option("--variant", help="Of this variant, e.g. int8; else of the file.")
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="VARIANT", help="Leave this variant behind; repeatable."),
]
Push = Annotated[bool, typer.Option("--push", help=f"Push the tags to {REMOTE}.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@_app.callback(invoke_without_command=True)
def release(
    context: typer.Context,
    bump: Annotated[Bump | None, typer.Option(help="Part of the version that rises.")] = None,
    stage: Annotated[Stage | None, typer.Option(help="Lifecycle stage that it enters.")] = None,
    key: Key = None,
    push: Push = False,
    without: Without = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, make nothing.")] = False,
) -> None:
    """Register the audited extractor as a new version, with each of export.variants, or say
    everything that speaks against it."""
    if context.invoked_subcommand:
        return
    if bump is None:
        expected = ", ".join(get_args(Bump))
        raise typer.BadParameter(f"one of {expected} is needed", param_hint="--bump")
    asked = ReleaseRequest(bump=bump, stage=stage, key=key, push=push, without=tuple(without or ()))
    root = Path.cwd()
    ready = check(root, asked)
    said = [parse_release(part.statement, ready.version) for part in ready.parts]
    if dry_run:
        names = ", ".join(f"{one.artifact}@{one.version}" for one in said)
        _say(f"Nothing speaks against {names}. Nothing was made (--dry-run).")
        return
    for tag in publish.make(root, asked, ready):
        _say(f"Tag {tag}{' here and on ' + REMOTE if push else ''}")
    for one in said:
        name = f"{one.artifact}@{one.version}"
        _say(f"{name} is registered: {one.verdict} by suite {one.suite_version}.")
    _how_to_pull(said, asked)


@_app.command()
def promote(
    version: Name,
    stage: Annotated[Stage, typer.Option(help="Lifecycle stage that it enters.")],
    key: Key = None,
    push: Push = False,
    without: Without = None,
) -> None:
    """Let a version and its variants enter a lifecycle stage; the one before it leaves."""
    tags = lifecycle.promote(Path.cwd(), version, stage, key, push, without or ())
    _made(tags, "nothing to do")


@_app.command()
def deprecate(
    version: Name,
    reason: Annotated[str, typer.Option(help="Why; whoever pulls it is told.")],
    push: Push = False,
    variant: Variant = None,
) -> None:
    """Take a version back with its variants, or one variant: pulls are refused with the reason."""
    _made(lifecycle.deprecate(Path.cwd(), version, reason, push, variant), "nothing to do")


@_app.command()
def reaudit(
    version: Name,
    audit: Annotated[Path, typer.Argument(help="An audit.json about it or a variant of it.")],
    push: Push = False,
) -> None:
    """Record a later audit of a version; unless it says PASS, pulls are refused from then on."""
    _made(lifecycle.reaudit(Path.cwd(), version, audit, push), "nothing to do")


@_app.command()
def history(variant: Variant = None, as_json: Json = False) -> None:
    """Every version: when, from which commit, what its audit said then and says now."""
    found = _found(variant)
    head, rows = history_rows(found)
    if as_json:
        terminal.print_json({"versions": [dict(zip(head, row, strict=True)) for row in rows]})
        return
    terminal.print_table(terminal.console(), head, rows)


@_app.command()
def show(
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]")] = None,
    variant: Variant = None,
    as_json: Json = False,
) -> None:
    """Versions with lifecycle stages, verdicts and utility; or everything about one."""
    found = _found(variant)
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
    terminal.print_table(terminal.console(), ("", sanitize(chosen.tag.name)), detail(found, chosen))


def _found(variant: str | None) -> Registry:
    return dvc_store.read(Git(Path.cwd()), artifact_of(variant))


def _made(tags: list[str], otherwise: str) -> None:
    for tag in tags:
        _say(f"Tag {tag}")
    if not tags:
        _say(otherwise.capitalize())


def _how_to_pull(said: Sequence[Release], asked: ReleaseRequest) -> None:
    if not asked.push:
        names = " ".join(f"{one.artifact}@{one.version}" for one in said)
        _say(f"Push it when you like: git push {REMOTE} {names}")
    wanted = f"--stage {asked.stage}" if asked.stage else f"--version {said[0].version}"
    trust = " --trust KEYS" if asked.key else ""
    for one in said:
        variant = f" --variant {one.variant[0]}" if one.variant else ""
        _say(f"Pull it: tiprdc pull REPO {ARTIFACT} {wanted}{variant}{trust} -o DIR")


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
