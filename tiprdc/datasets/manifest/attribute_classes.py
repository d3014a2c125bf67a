"""The classes of an attribute: few, without gaps, and none that another spelling repeats."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

import pandas as pd

from tiprdc.datasets.schema import Attribute
from tiprdc.datasets.tables.names import show_name
from tiprdc.datasets.tables.parquet_columns import describe_type, is_text
from tiprdc.errors import DataError

MAX_CLASSES = 50
_ZEROS = re.compile(r"^([+-]?\d+)\.0+$")
_SPELLINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "accents": (lambda text: unicodedata.normalize("NFKC", text), '.str.normalize("NFKC")'),
    "case": (str.casefold, ".str.casefold()"),
    "spaces": (lambda text: " ".join(text.split()), '.str.split().str.join(" ")'),
    "a full stop": (lambda text: text.rstrip(". "), '.str.rstrip(". ")'),
    "decimals that are zero": (
        lambda text: _ZEROS.sub(r"\1", text),
        r'.str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)',
    ),
}
"""What may differ between two spellings of one class -> how to undo it, here and with pandas."""


def read_attribute(table: pd.DataFrame, name: str, where: str) -> Attribute:
    """The attribute in a column of labels.

    Args:
        table: The columns, as text.
        name: The column.
        where: The key that names the column, for messages.

    Raises:
        DataError: A row has no label, there are not 2 to `MAX_CLASSES` classes, or some differ
            only in how they are spelt. Shows no class.
    """
    require_text(table, name, where)
    refuse_gaps(table, name, where)
    classes = set(table[name].str.strip())
    shown = repr(show_name(name))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(
            where,
            f"{shown} has {len(classes):,} {'class' if len(classes) == 1 else 'classes'}",
            f"2 to {MAX_CLASSES} classes",
            f"add a column that groups {shown} (under 30 or not, say) and name that column"
            if len(classes) > 1
            else "everybody has the same class, so there is nothing to learn: name another",
        )
    _refuse_spellings(classes, name, where)
    return Attribute(name=name, classes=tuple(_sort_classes(classes)))


def refuse_gaps(table: pd.DataFrame, name: str, where: str) -> None:
    """Refuse a column that is empty in some rows.

    Raises:
        DataError: Has the number of rows.
    """
    gaps = int(table[name].isna().sum())
    if gaps:
        raise DataError(
            where,
            f"{show_name(name)!r} is empty or NaN in {gaps:,} of {len(table):,} rows",
            "a value in every row",
            "fill these rows in or delete them",
        )


def require_text(table: pd.DataFrame, name: str, where: str) -> None:
    """Refuse a column of Parquet that is no text.

    Raises:
        DataError: Says what it contains.
    """
    if not is_text(table[name]):
        raise DataError(
            where, f"{show_name(name)!r} contains {describe_type(table[name])}",
            "texts, numbers, dates, or true and false", "write the values as text",
        )  # fmt: skip


def count_spellings(classes: Collection[str]) -> int:
    """Number of texts that differ from another one only in how they are spelt."""
    return len(classes) - len({_normalize(text, _SPELLINGS) for text in classes})


def _refuse_spellings(classes: Collection[str], name: str, where: str) -> None:
    repeats = count_spellings(classes)
    if not repeats:
        return
    fewest = len(classes) - repeats
    single = [[key] for key in _SPELLINGS]
    steps = next(
        (s for s in single if len({_normalize(text, s) for text in classes}) == fewest),
        list(_SPELLINGS),
    )
    column = f"table[{show_name(name)!r}]"
    code = "".join(_SPELLINGS[step][1] for step in steps)
    raise DataError(
        where,
        f"{repeats:,} of the {len(classes):,} classes of {show_name(name)!r} differ from others"
        f" only by {' or '.join(steps)}",
        "each class written in one way",
        f"with pandas: {column} = {column}{code}; rename the classes if they are different ones",
    )


def _normalize(text: str, steps: Collection[str]) -> str:
    for step in steps:
        text = _SPELLINGS[step][0](text)
    return text


def _sort_classes(classes: set[str]) -> list[str]:
    """By value where all are numbers, else by name."""
    try:
        return sorted(classes, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(classes)
