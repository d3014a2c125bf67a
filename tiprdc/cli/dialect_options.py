"""Options that say how a delimited text file is written, for the commands that read one."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from tiprdc.datasets.tables.dialect import Decimals, Dialect, QuoteRule, check_dialect

Encoding = Annotated[
    str, typer.Option(help="Encoding of a text file: utf-8, utf-16, cp1252 or another.")
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What separates the fields of a text file: one letter such as ';' or '|', or tab."
        " Default: a comma in .csv, a tabulator in .tsv."
    ),
]
Decimal = Annotated[
    str, typer.Option(help="What separates the decimals of numbers in a text file: . or ,")
]
Quotes = Annotated[
    str,
    typer.Option(
        help="Quotation marks in a text file. enclose: around fields, which may have line breaks."
        " literal: letters like others, each line is a row. auto: enclose, but a file in which they"
        " would swallow rows is refused."
    ),
]


def make_dialect(encoding: str, delimiter: str | None, decimal: str, quotes: str) -> Dialect:
    """The dialect that the options state.

    Raises:
        ConfigError: An option has a value that no file can have.
    """
    dialect = Dialect(
        delimiter=delimiter,
        encoding=encoding,
        decimal=cast(Decimals, decimal),
        quotes=cast(QuoteRule, quotes),
    )
    check_dialect(dialect, "--")
    return dialect
