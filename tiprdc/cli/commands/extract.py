"""`tiprdc extract`: features of pictures, texts or rows, made by a release, in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.formats import numbers
from tiprdc.formats.files import sanitize

if TYPE_CHECKING:
    from tiprdc.runtime.extraction import Outcome

SOME_FAILED = 1
INTERRUPTED = 130
SHOWN = 20
"""Failures that are listed; the file beside the output has all of them."""


def extract(
    release: Annotated[Path, typer.Argument(metavar="DIR", help="A release: its folder.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Pictures: a folder, or a file with a path a line. Texts: a .txt with one a line,"
            " or a .csv or .tsv. Tables: a .csv or .tsv.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .npz or a .parquet file.")],
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Records at a time.")] = 64,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Cores to use.")] = 1,
    column: Annotated[
        str | None, typer.Option(help="Column of a .csv or .tsv that holds the texts.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column that names the records; else numbers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Turn records into features. Exit code 1 if some could not be read, 2 on a mistake of use.

    A run that was killed goes on where it was when the same command is given again.
    """
    from tiprdc.runtime import extraction
    from tiprdc.runtime.extractor import Extractor
    from tiprdc.runtime.feature_files import check_output
    from tiprdc.runtime.records import open_records

    check_output(output)
    extractor = Extractor.load(release, threads=threads)
    records = open_records(source, extractor.contract, column=column, id_column=id_column)
    try:
        with _progress(len(records)) as report:
            outcome = extraction.extract(extractor, records, output, batch=batch, report=report)
    except KeyboardInterrupt:
        _say("Stopped. The same command goes on after the last finished part.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        _print_json(outcome, output, extractor.contract.model_sha256)
    else:
        _print_sentences(outcome, output, extractor.contract.features)
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _progress(records: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left on a terminal; nothing in a pipe."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("records", total=records, rate="")

        def report(done: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate=f"{speed:,.0f} a second" if speed else "")

        yield report


def _print_json(outcome: Outcome, output: Path, model_sha256: str) -> None:
    terminal.print_json(
        {
            "output": str(output),
            "records": outcome.records,
            "failed": [asdict(failure) for failure in outcome.failures],
            "reused": outcome.reused,
            "seconds": round(outcome.seconds, 3),
            "model_sha256": model_sha256,
        }
    )


def _print_sentences(outcome: Outcome, output: Path, features: tuple[int, ...]) -> None:
    shape = " x ".join(map(str, features))
    done = f"{numbers.count(outcome.records)} records, {shape} features each: {output}"
    if outcome.reused:
        done += f" ({numbers.count(outcome.reused)} were finished by an earlier run)"
    terminal.say(terminal.console(), Text(sanitize(done)))
    for failure in outcome.failures[:SHOWN]:
        _say(f"{failure.id}: {failure.reason}")
    if outcome.failures:
        count = numbers.count(len(outcome.failures))
        _say(f"Records without features: {count}; all of them are listed in {output}.failed.csv")


def _say(sentence: str) -> None:
    Console(stderr=True, highlight=False).print(Text(sanitize(sentence)), soft_wrap=True)
