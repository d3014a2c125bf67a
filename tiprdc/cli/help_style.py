"""One style of help for every command: plain text, names of values in capitals, examples last."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_VALUES = {
    "path": "PATH", "integer": "N", "int": "N", "float": "X", "datetime": "YYYY-MM-DD",
    "text": "TEXT", "str": "TEXT",
}  # fmt: skip
"""Type of an option -> what its value is called; choices are listed instead."""


class Command(TyperCommand):
    """A command whose values have names in capitals: `--data PATH`, not `--data <path>`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _name_values(self.params)


class Group(TyperGroup):
    """A command with subcommands, in the same style."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _name_values(self.params)


class GroupWithDefault(Group):
    """A group whose first command may be left out: `tiprdc collect RELEASE` serves."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command in front of words that begin with no command."""
        if args and args[0] not in self.commands and "--help" not in args:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def _name_values(params: list[Any]) -> None:
    for param in params:
        if isinstance(param, TyperArgument):
            param.metavar = param.metavar or (param.name or "").upper()
        elif isinstance(param, TyperOption) and not param.is_flag and not param.metavar:
            param.metavar = _VALUES.get(_type_name(param))


def _type_name(param: Any) -> str:
    # Click's type in typer before 0.27, an annotation since.
    if hasattr(param, "type"):
        return str(param.type.name).partition(" ")[0]
    annotation = param.type_descriptor.annotation
    return str(getattr(annotation, "__name__", "")).lower()


def application(**options: Any) -> typer.Typer:
    """A `typer.Typer` in this style, without completion and without tracebacks of its own."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
        **{"cls": Group, **options},
    )  # fmt: skip


def examples(*lines: str) -> str:
    """The end of a help text: commands as typed, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
