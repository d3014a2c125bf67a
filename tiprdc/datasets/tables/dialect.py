"""How a delimited text file is written: separator, encoding, decimals and quotation marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tiprdc.datasets.tables.text_encoding import UTF8, check_encoding
from tiprdc.errors import ConfigError

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""Ending of a file -> what separates its fields, if nothing else is stated."""
QuoteRule = Literal["auto", "enclose", "literal"]
Decimals = Literal[".", ","]
TAB = "tab"
"""How settings write a tabulator."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a delimited text file is written.

    Args:
        delimiter: One letter, or `tab`; None: a comma in .csv, a tabulator in .tsv.
        encoding: Any that Python knows.
        decimal: What separates the decimals of numbers.
        quotes: enclose: quotation marks enclose fields. literal: they are letters like others, and
            each line is a row. auto: they enclose fields, and a file in which they seem not to is
            refused.
    """

    delimiter: str | None = None
    encoding: str = UTF8
    decimal: Decimals = "."
    quotes: QuoteRule = "auto"

    def separator(self, ending: str) -> str:
        """What separates fields in a file with this ending."""
        stated = self.delimiter or SEPARATORS[ending]
        return "\t" if stated == TAB else stated


def check_dialect(dialect: Dialect, key: str) -> None:
    """Refuse settings of a dialect that no file can have.

    Args:
        dialect: The settings.
        key: Prefix of their names in messages: `prepare.manifest.` or `--`.

    Raises:
        ConfigError: Names the setting and what it may be.
    """
    check_encoding(f"{key}encoding", dialect.encoding)
    stated = dialect.delimiter
    is_letter = stated in (None, TAB) or (len(stated) == 1 and stated not in '" \r\n.')
    if not is_letter or (stated and stated != TAB and stated.isalnum()):
        raise ConfigError(f"{key}delimiter", repr(stated), "one letter such as ; or |, or tab")
    for name, value, allowed in (
        ("decimal", dialect.decimal, get_args(Decimals)),
        ("quotes", dialect.quotes, get_args(QuoteRule)),
    ):
        if value not in allowed:
            raise ConfigError(f"{key}{name}", repr(value), f"one of {' or '.join(allowed)}")
