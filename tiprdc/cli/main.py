"""The `tiprdc` command: its subcommands, help and exit codes. Users' errors give no traceback."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from tiprdc import __version__
from tiprdc.cli import terminal
from tiprdc.cli.commands import collect
from tiprdc.cli.commands.audit import audit
from tiprdc.cli.commands.doctor import doctor
from tiprdc.cli.commands.extract import extract
from tiprdc.cli.commands.forget import forget
from tiprdc.cli.commands.inspect import inspect
from tiprdc.cli.commands.keygen import keygen
from tiprdc.cli.commands.lineage import lineage
from tiprdc.cli.commands.protect import protect
from tiprdc.cli.commands.pull import pull
from tiprdc.cli.commands.self_test import self_test
from tiprdc.cli.commands.verify import verify
from tiprdc.cli.commands.web import web
from tiprdc.cli.examples import EXAMPLES
from tiprdc.cli.exit_codes import no_verdict_by_accident
from tiprdc.cli.help_style import Command, application, examples
from tiprdc.errors import USER_ERROR, TiprdcError

_AUDIT = (
    "jinja2", "onnx", "pandas", "pyarrow", "yaml", "safetensors", "sklearn", "scipy", "tokenizers",
    "torch", "torchmetrics", "torchvision",
)  # fmt: skip
_COLLECT = ("fastapi", "limits", "prometheus_client", "psycopg", "sqlalchemy", "uvicorn")
EXTRAS = {
    **dict.fromkeys(_AUDIT, "audit"), "cryptography": "verify", "securesystemslib": "verify",
    "dvc": "pull", "gto": "pull",
    **dict.fromkeys(_COLLECT, "collect"), "onnxscript": "train",
}  # fmt: skip
"""Module -> the extra that brings it, for commands that are not in the bare install."""

_HELP = """Make, audit and run extractors: models whose features hide a private attribute.

A release is a folder with extractor.onnx and manifest.json. The project's docs/glossary.md explains
the words.
"""
_EXAMPLES = examples(
    "tiprdc pull REPO extractor --stage prod -o release           get a released version",
    "tiprdc extract release pictures -o features.npz              run it",
    "tiprdc protect people.parquet --private gender -o release    make one from vectors",
    "tiprdc audit model.onnx --data people.csv --private gender   attack any model",
    "tiprdc COMMAND --help                                        options and examples",
)

_commands = application(help=_HELP, epilog=_EXAMPLES, no_args_is_help=True)

_COMMANDS = (
    audit, doctor, extract, forget, inspect, keygen, lineage, protect, pull, self_test, verify, web,
)  # fmt: skip

for _command in _COMMANDS:
    _name = _command.__name__.replace("_", "-")
    _commands.command(_name, cls=Command, epilog=examples(*EXAMPLES[_name]))(_command)

_commands.add_typer(collect.app, name="collect")


def _version(requested: bool) -> None:
    if requested:
        terminal.console().print(f"tiprdc {__version__}", highlight=False)
        raise typer.Exit


@_commands.callback(help=_HELP, epilog=_EXAMPLES)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Only options of `tiprdc` itself."""


def app() -> None:
    """Entry point: an error that the user can fix gives a message and exit code 2."""
    with no_verdict_by_accident():
        try:
            _commands()
        except TiprdcError as error:
            _refuse(str(error))
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").split(".")[0])
            if extra is None:
                raise
            _refuse(
                f"{error.name}: not installed\n  expected: the extra [{extra}]\n"
                f'  hint: pip install "tiprdc[{extra}]"'
            )


def _refuse(message: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(Text(message), soft_wrap=True)
    sys.exit(USER_ERROR)
