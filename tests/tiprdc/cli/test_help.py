"""One style of help: the same names for the same things, and examples that can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperArgument
from typer.testing import CliRunner

from pipelines import tuning
from pipelines.audit import __main__ as audit
from pipelines.release import __main__ as release
from tiprdc.cli import main
from tiprdc.cli.examples import EXAMPLES

APPS = {
    "tiprdc": main._commands, "python pipelines/tuning.py": tuning.app,
    "python -m pipelines.audit": audit.app, "python -m pipelines.release": release._app,
}  # fmt: skip


def commands() -> Iterator[tuple[str, Any]]:
    for name, app in APPS.items():
        command = typer.main.get_command(app)
        yield name, command
        yield from (
            (f"{name} {below}", inner) for below, inner in getattr(command, "commands", {}).items()
        )


ALL = dict(commands())
TYPED = [line for lines in EXAMPLES.values() for line in lines]
TYPED += [
    line for command in ALL.values() for line in re.findall(r"  (python .*)", command.epilog or "")
]


@pytest.mark.parametrize("name", ALL)
def test_help_is_plain_and_names_values_in_capitals(name: str) -> None:
    command = ALL[name]
    for param in command.params:
        shown = param.metavar
        if shown is None:
            assert param.is_flag or param.name in ("bump", "stage"), param.name
        else:
            assert shown == shown.upper() or "." in shown, param.name
        if isinstance(param, TyperArgument):
            assert shown, param.name
    app, *words = next(
        (app, *name.removeprefix(start).split())
        for start, app in APPS.items()
        if name.startswith(start)
    )
    text = CliRunner().invoke(app, [*words, "--help"]).output
    assert not set(text) & set("│╭╰")


@pytest.mark.parametrize("name", ALL)
def test_where_results_go_is_o_or_out_everywhere(name: str) -> None:
    for param in ALL[name].params:
        if "--out" in param.opts:
            assert "-o" in param.opts
        if "-o" in param.opts:
            assert "--out" in param.opts


@pytest.mark.parametrize("line", TYPED)
def test_example_can_be_typed(line: str) -> None:
    start = max((name for name in ALL if line.startswith(f"{name} ") or line == name), key=len)
    words = shlex.split(line.removeprefix(start))
    context = ALL[start].make_context(start, words, resilient_parsing=False)
    assert context.params is not None


@pytest.mark.parametrize("name", [name for name, one in ALL.items() if hasattr(one, "commands")])
def test_what_a_command_does_fits_into_the_list_of_commands(name: str) -> None:
    for command in ALL[name].commands.values():
        summary = command.get_short_help_str(limit=66)
        assert not summary.endswith("..."), command.name


def test_every_command_has_an_example_at_the_end_of_its_help() -> None:
    assert set(EXAMPLES) == set(typer.main.get_command(main._commands).commands)
    for name, lines in EXAMPLES.items():
        text = CliRunner().invoke(main._commands, [name, "--help"]).output
        assert lines[0][:60] in text.split("Examples:")[1]
