"""Release the audited extractor (`--bump minor`); promote, deprecate, re-audit and list versions.

Exit code 0: done. 1: refused, with every reason. 2: wrong usage.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
from rich.text import Text

from pipelines.observability.progress import run
from pipelines.release import lifecycle
from pipelines.release.checks import ARTIFACT, REMOTE, Stage
from pipelines.release.plan import ReleaseRequest, plan_release
from pipelines.release.publish import publish
from tiprdc.cli import terminal
from tiprdc.cli.help_style import Command, application, examples
from tiprdc.errors import ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import artifact_of
from tiprdc.formats.release_statement import Release
from tiprdc.registry.git import Git
from tiprdc.registry.tables import detail, history_rows, show_rows
from tiprdc.registry.tags import read_registry
from tiprdc.registry.versions import Bump, Registry

REFUSED = 1

_EXAMPLES = (
    "python -m pipelines.release --bump minor --dry-run",
    "python -m pipelines.release --bump minor --stage staging --sign ~/release.pem --push",
    "python -m pipelines.release promote v1.2.0 --stage prod --sign ~/release.pem --push",
    'python -m pipelines.release deprecate v1.1.0 --reason "it leaks" --push',
    "python -m pipelines.release show v1.2.0",
)
_app = application(help=__doc__, epilog=examples(*_EXAMPLES))

Name = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v1.2.0.")]
Key = Annotated[Path | None, typer.Option("--sign", metavar="KEY", help="Sign with this key.")]
Variant = Annotated[
    str | None, typer.Option("--variant", help="A variant such as int8; default: the extractor.")
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="VARIANT", help="Leave this variant out; repeatable."),
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run all checks, create nothing.")
    ] = False,
) -> None:
    """Register the audited extractor and each of export.variants as a new version, or print every
    reason against it."""
    if context.invoked_subcommand:
        return
    if bump is None:
        expected = ", ".join(get_args(Bump))
        raise typer.BadParameter(f"one of {expected} is needed", param_hint="--bump")
    request = ReleaseRequest(
        bump=bump, stage=stage, key=key, push=push, without=tuple(without or ())
    )
    root = Path.cwd()
    plan = plan_release(root, request)
    releases = [part.release for part in plan.parts]
    for part in plan.parts:
        if part.envelope is not None:
            _print(
                f"{part.release.name} is registered at this commit already: no version rises."
                " Commit a change to release another."
            )
    if dry_run:
        names = ", ".join(release.name for release in releases)
        _print(f"All checks passed for {names}. Nothing was created (--dry-run).")
        return
    for tag in publish(root, request, plan):
        _print(f"Tag {tag}{_places(push)}")
    for release in releases:
        audit = release.audit
        _print(f"{release.name} is registered: {audit.verdict} by suite {audit.suite_version}.")
    _print_next_steps(releases, request)


@_app.command(cls=Command)
def promote(
    version: Name,
    stage: Annotated[Stage, typer.Option(help="Lifecycle stage that it enters.")],
    key: Key = None,
    push: Push = False,
    without: Without = None,
) -> None:
    """Move a version into a lifecycle stage.

    Its variants move with it. They replace the version that is there, which may be newer.
    """
    tags = lifecycle.promote(Path.cwd(), version, stage, key, push, without or ())
    _print_tags(tags, push)
    for tag in tags:
        _print(f"{tag.partition('#')[0]} {version} is in {stage}.")


@_app.command(cls=Command)
def deprecate(
    version: Name,
    reason: Annotated[str, typer.Option(help="Shown to everybody who pulls it.")],
    push: Push = False,
    variant: Variant = None,
) -> None:
    """Deprecate a version: pulls are refused with the reason.

    Its variants are deprecated with it; with --variant that variant alone.
    """
    tags = lifecycle.deprecate(Path.cwd(), version, reason, push, variant)
    _print_tags(tags, push)
    for tag in tags:
        _print(f"{tag.removesuffix('!')} is deprecated: pulls are refused with the reason.")


@_app.command(cls=Command)
def reaudit(
    version: Name,
    audit: Annotated[Path, typer.Argument(help="audit.json of the version or of a variant of it.")],
    key: Key = None,
    push: Push = False,
) -> None:
    """Record a later audit of a version.

    Without the verdict PASS pulls of the version are refused from then on.
    """
    tags = lifecycle.reaudit(Path.cwd(), version, audit, push, key)
    _print_tags(tags, push)
    for tag in tags:
        name = f"{tag.partition('+')[0]}@{version}"
        _print(f"A later audit of {name} is recorded: {read_audit(audit).verdict}.")


@_app.command(cls=Command)
def history(variant: Variant = None, as_json: Json = False) -> None:
    """List every version with its audits.

    Date, commit, the audit at release, later audits and deprecation.
    """
    registry = _registry(variant)
    head, rows = history_rows(registry)
    if as_json:
        terminal.print_json({"versions": [dict(zip(head, row, strict=True)) for row in rows]})
        return
    terminal.print_table(terminal.console(), head, rows)


@_app.command(cls=Command)
def show(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Such as v1.2.0. Default: all.")
    ] = None,
    variant: Variant = None,
    as_json: Json = False,
) -> None:
    """List versions, or show all about one.

    The list has lifecycle stages, verdicts, bounds and utility.
    """
    registry = _registry(variant)
    if version is None:
        head, rows = show_rows(registry)
        if as_json:
            terminal.print_json({"versions": [dict(zip(head, row, strict=True)) for row in rows]})
            return
        terminal.print_table(terminal.console(), head, rows)
        return
    chosen = registry.version(version)
    if as_json:
        terminal.print_json(msgspec.to_builtins(registry.release(chosen)))
        return
    head = ("", sanitize(chosen.tag.name))
    terminal.print_table(terminal.console(), head, detail(registry, chosen))


def _registry(variant: str | None) -> Registry:
    return read_registry(Git(Path.cwd()), artifact_of(variant))


def _print_tags(tags: list[str], push: bool) -> None:
    for tag in tags:
        _print(f"Tag {tag}{_places(push)}")
    if not tags:
        _print("Nothing to do: it is so already.")
    elif not push:
        names = shlex.join(tags)
        _print(f"Nobody who pulls sees it before: git push {REMOTE} {names}")


def _places(push: bool) -> str:
    return f" here and on {REMOTE}" if push else " here"


def _print_next_steps(releases: Sequence[Release], request: ReleaseRequest) -> None:
    if not request.push:
        names = " ".join(release.name for release in releases)
        _print(f"Push the tags: git push {REMOTE} {names}")
    version = f"--stage {request.stage}" if request.stage else f"--version {releases[0].version}"
    trust = " --trust KEYS" if request.key else ""
    for release in releases:
        variant = f" --variant {release.variant.name}" if release.variant else ""
        _print(f"Pull it: tiprdc pull REPO {ARTIFACT} {version}{variant}{trust} -o DIR")


def _print(sentence: str) -> None:
    terminal.say(terminal.console(), Text(sentence))


def main() -> None:
    """Run the command; a refusal prints its reasons and ends with exit code 1."""
    try:
        _app()
    except ReleaseError as error:
        terminal.say(terminal.errors(), Text(str(error)))
        sys.exit(REFUSED)


if __name__ == "__main__":
    run(main)
