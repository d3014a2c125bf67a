"""Takes categories of a few people out of columns: a release lists them, and so names people."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tiprdc.datasets.schema import Column
from tiprdc.datasets.tokenizer import MIN_PEOPLE
from tiprdc.errors import DataError


def drop_rare_categories(
    column: Column, values: pd.Series[str], person: pd.Series[str], where: str
) -> Column:
    """The column without categories of fewer than `MIN_PEOPLE` people, which become "any other".

    Args:
        column: Numeric, or with categories.
        values: Its texts in extractor-train `[N]`.
        person: The person of each `[N]`.
        where: The key that names the column, for messages.

    Raises:
        DataError: No category is left: the column names people.
    """
    if not column.categories:
        return column
    people = person.groupby(values).nunique()
    common = set(people.index[people >= MIN_PEOPLE])
    if not common:
        raise DataError(
            where,
            f"column {column.name!r} has no category of {MIN_PEOPLE} or more people",
            "categories that many people share: a release lists them",
            f"group them in another column, or leave {column.name!r} out of {where}",
        )
    return replace(column, categories=tuple(c for c in column.categories if c in common))
