"""Names of the columns that a vector is: NAME[0], NAME[1] and on."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

from tiprdc.datasets.schema import Column

MOST_NUMBERS = 4096
"""Numbers of a vector: a release describes each as a column."""
_ELEMENT = re.compile(r"(.+)\[\d+\]")


def element_names(name: str, length: int) -> list[str]:
    """Columns of a vector of so many numbers, in order."""
    return [f"{name}[{number}]" for number in range(length)]


def collapse_vectors(names: Iterable[str], available: Container[str]) -> tuple[str, ...]:
    """Names of input columns with one for each vector, where the data have the vector alone.

    Args:
        names: Columns of a release, of a vector as NAME[0], NAME[1] and on.
        available: Columns of the data.
    """
    bases = ((name, _ELEMENT.fullmatch(name)) for name in names)
    collapsed = (
        match[1] if match and name not in available and match[1] in available else name
        for name, match in bases
    )
    return tuple(dict.fromkeys(collapsed))


def is_vector(columns: Sequence[Column]) -> bool:
    """Whether a table's columns are the numbers of vectors and nothing else."""
    return bool(columns) and all(
        _ELEMENT.fullmatch(column.name) and not column.categories for column in columns
    )
