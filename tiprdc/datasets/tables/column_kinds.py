"""What kind of values a column of text has; a column that is not plainly one thing is refused.

A guess would decide silently what every record means to the extractor: one word among a thousand
numbers would make categories without order of all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pandas as pd

from tiprdc.datasets.tables.column_encoding import is_number
from tiprdc.datasets.tables.names import show_name
from tiprdc.errors import DataError

NUMBER = "numbers"
WORD = "words"
LIST = "lists of numbers"
_COMMA = "numbers with a decimal comma"
_UNIT = "numbers with other characters"
_PATTERNS = {
    "infinite numbers": r"[+-]?inf(inity)?",
    "numbers with thousands separators": r"[+-]?[0-9]{1,3}([,.' ][0-9]{3})+([.,][0-9]*)?",
    _COMMA: r"[+-]?[0-9]*,[0-9]+",
    "dates": r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}([T ].*)?"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}( .*)?",
    _UNIT: r"\W*[0-9][0-9.,]*\s*\S{0,4}",
}
_COMPILED = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _PATTERNS.items()}
_LONGEST = 40
"""Letters of a text beyond which no pattern is tried."""
_GAPS = re.compile(r"[\s,;\[\](){}]+")
_LIST = 4
"""Numbers that make a list."""
_SAMPLE = 64
"""Parts of a text that tell whether it is a list of numbers."""
MOST_UNITS = 20
"""Different numbers with other characters, such as 90+, that may be categories."""
FEW = 20
"""A column of at most so many different texts may give each record its own."""


def count_kinds(values: pd.Series[str], decimal: str = ".") -> Counter[str]:
    """Kind of value -> how many of the present values are of it.

    Args:
        values: Texts `[N]`, missing where there is none.
        decimal: What separates the decimals of numbers.
    """
    counts: Counter[str] = Counter()
    for text, count in values.value_counts().items():
        counts[_kind(str(text), decimal)] += int(count)
    return counts


def is_categorical(
    name: str,
    values: pd.Series[str],
    where: str,
    decimal: str = ".",
    keys: tuple[str, str] = ("", ""),
) -> bool:
    """Whether a column has categories; if not it has numbers.

    Args:
        name: The column's name.
        values: Its texts over all records `[N]`, missing where there is none; or numbers.
        where: The key that names the column, for messages.
        decimal: What separates the decimals of numbers.
        keys: Of the settings of the decimal mark and of categorical columns, for hints; each is
            empty where there is none.

    Raises:
        DataError: It is empty, or not plainly one of the two: counts the kinds of values and shows
            none.
    """
    if pd.api.types.is_numeric_dtype(values):
        return False
    kinds = count_kinds(values, decimal)
    column = f"column {show_name(name)!r}"
    if not kinds:
        raise DataError(where, f"{column} is empty", hint=f"leave it out of {where}")
    if set(kinds) == {NUMBER}:
        return False
    total, different = kinds.total(), int(values.nunique())
    if set(kinds) <= {WORD, _UNIT} and not (kinds[_UNIT] and different > MOST_UNITS):
        if different > max(FEW, total / 2):
            raise DataError(
                where, f"{column} has {different:,} different texts in {total:,} records: they seem"
                " to be names, ids, paths or free text", "numbers, or categories that recur",
                f"leave it out of {where}",
            )  # fmt: skip
        return True
    listed = " and ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    raise DataError(
        where, f"{column} is not plainly one thing: {listed}", "numbers alone, or categories alone",
        _hint(name, values, kinds, decimal, keys),
    )  # fmt: skip


def _hint(
    name: str,
    values: pd.Series[Any],
    kinds: Counter[str],
    decimal: str,
    keys: tuple[str, str],
) -> str:
    decimal_key, categorical_key = keys
    other = "," if decimal == "." else "."
    marked = decimal == "," or kinds[_COMMA]
    if decimal_key and marked and set(count_kinds(values, other)) == {NUMBER}:
        return f'set {decimal_key} to "{other}"'
    correct = "write NA for a number that is missing" if kinds[NUMBER] else "write plain numbers"
    if not categorical_key:
        return f"{correct}, or leave the column out"
    state = f"name {show_name(name)!r} in {categorical_key} if its values are categories"
    return f"{correct}; or {state}"


def _kind(text: str, decimal: str) -> str:
    if is_number(text, decimal):
        return NUMBER
    plain = text.strip()
    parts = [part for part in _GAPS.split(plain[: 32 * _SAMPLE], _SAMPLE) if part][:_SAMPLE]
    whole = parts if len(parts) < _SAMPLE else parts[:-1]
    if len(parts) >= _LIST and all(is_number(part) for part in whole):
        return LIST
    if len(plain) > _LONGEST:
        return WORD
    return next((kind for kind, one in _COMPILED.items() if one.fullmatch(plain)), WORD)
