"""`tiprdc extract`: writes the features of pictures, texts or table rows to one file."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tiprdc.cli import dialect_options, sending, terminal
from tiprdc.cli.progress import Progress
from tiprdc.errors import INTERRUPTED
from tiprdc.formats import numbers
from tiprdc.formats.files import sanitize

if TYPE_CHECKING:
    from tiprdc.runtime.extraction import ExtractionResult

SOME_FAILED = 1
"""Exit code if some records have no features."""
MAX_LISTED = 20
"""Failed records that are printed; `OUT.failed.csv` lists all of them."""


def extract(
    release: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a release.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Pictures or recordings: a folder (every file in it and its subfolders), a file, a"
            " .txt with one path a line; also a .parquet that contains pictures, or a .csv with a"
            " column of paths of recordings. Texts: a .txt with one text"
            " a line, a .csv, .tsv or .parquet. Tables: a .csv, .tsv or .parquet, also with a"
            " column of vectors, or a .npy of numbers.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--out", help="File to write: .npz or .parquet.")],
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Records in a batch.")] = 64,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU cores to use.")] = 1,
    column: Annotated[
        str | None,
        typer.Option(
            help="Column of texts in a table (required there), of paths of recordings in a .csv, or"
            " of pictures in a .parquet."
        ),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of record names. Default: row numbers.")
    ] = None,
    encoding: dialect_options.Encoding = "utf-8",
    delimiter: dialect_options.Delimiter = None,
    decimal: dialect_options.Decimal = ".",
    quotes: dialect_options.Quotes = "auto",
    send: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Then send the features to the collector at this URL."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the token that the collector gave you."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for unsent batches and the random number that stands for you at the"
            " collector. Default: one for each collector in ~/.local/state/tiprdc.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Extract the features of pictures, recordings, texts or table rows.

    OUT has the names of the records, their features and the sha256 of the model. Records that
    cannot be read are listed with the reason in OUT.failed.csv. A run that was stopped resumes
    when the same command is run again. With --send each record is sent once, however often it is
    extracted; OUT.sent.csv lists under which names. Exit code 0 if all records have features, 1 if
    some could not be read, 2 if nothing could be done, 3 if features wait to be sent, 130 if it was
    interrupted.
    """
    from tiprdc.runtime import extraction
    from tiprdc.runtime.extractor import Extractor
    from tiprdc.runtime.feature_files import check_output
    from tiprdc.runtime.records import open_records

    check_output(output)
    destination = sending.prepare(release, send, token_file, state)
    dialect = dialect_options.make_dialect(encoding, delimiter, decimal, quotes)
    extractor = Extractor.load(release, threads=threads)
    records = open_records(
        source, extractor.contract, column=column, id_column=id_column, dialect=dialect
    )
    try:
        with Progress("record", lines=False) as progress:
            progress.add("records", len(records))
            report = partial(progress.update, "records")
            result = extraction.extract(extractor, records, output, batch=batch, report=report)
        delivery = sending.deliver(destination, output)
    except KeyboardInterrupt:
        terminal.note("Interrupted. Run the same command again to resume after the last part.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        document = _document(result, output, extractor.contract.model_sha256, records.notes)
        terminal.print_json({**document, **sending.document(delivery)})
    else:
        _print_summary(result, output, extractor.contract.features)
        for note in records.notes:
            terminal.note(note)
        sending.show(delivery, output)
    if delivery and delivery.waiting:
        raise typer.Exit(sending.NOT_SENT)
    if result.failures:
        raise typer.Exit(SOME_FAILED)


def _document(
    result: ExtractionResult, output: Path, model_sha256: str, notes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "output": str(output),
        "records": result.records,
        "failed": [asdict(failure) for failure in result.failures],
        "reused": result.reused,
        "notes": notes,
        "seconds": round(result.seconds, 3),
        "model_sha256": model_sha256,
    }


def _print_summary(result: ExtractionResult, output: Path, features: tuple[int, ...]) -> None:
    shape = " x ".join(map(str, features))
    summary = f"{numbers.count(result.records)} records, {shape} features each: {output}"
    if result.reused:
        summary += f" ({numbers.count(result.reused)} were finished by an earlier run)"
    terminal.say(terminal.console(), Text(sanitize(summary)))
    for failure in result.failures[:MAX_LISTED]:
        terminal.note(f"{failure.id}: {failure.reason}")
    if result.failures:
        count = numbers.count(len(result.failures))
        terminal.note(f"Records without features: {count}; {output}.failed.csv lists all of them")
