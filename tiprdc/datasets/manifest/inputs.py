"""Two kinds of input of a manifest: texts, and columns of a table; `file_records` has the others.

Input columns of an index are named `x:NAME`, so that none collides with an attribute's name.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from tiprdc.datasets import tokenizer
from tiprdc.datasets.manifest.attribute_classes import count_spellings
from tiprdc.datasets.reader import Batch, Fitted
from tiprdc.datasets.tables.columns import encode_column, fit_column
from tiprdc.datasets.tables.rare_categories import drop_rare_categories
from tiprdc.errors import DataError

PREFIX = "x:"


def input_columns(records: pd.DataFrame) -> list[str]:
    """Names of the input columns of an index, with their prefix."""
    return [name for name in records.columns if name.startswith(PREFIX)]


def fit_texts(records: pd.DataFrame, vocabulary: int, length: int) -> Fitted:
    """Train a tokenizer.

    Args:
        records: Rows of the index.
        vocabulary: Number of token ids at most.
        length: Tokens a text.
    """
    texts = records[input_columns(records)[0]].fillna("")
    trained = tokenizer.train_tokenizer(
        texts, records["person"], vocabulary=vocabulary, length=length
    )
    size = tokenizer.vocabulary_size(trained)
    return Fitted(shape=(length,), tokenizer=trained, vocabulary_size=size)


def fit_tokenizer_file(path: Path, length: int | None) -> Fitted:
    """A tokenizer of others, cut and padded to a length.

    Args:
        path: Its tokenizer.json.
        length: Tokens a text; None: those that it pads to.

    Raises:
        DataError: The file cannot be read or is no tokenizer; or `length` is None and it does not
            pad to a length.
    """
    try:
        raw = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            str(path), f"cannot be read ({type(error).__name__})", "a tokenizer.json",
            "save the tokenizer that the encoder was trained with (Hugging Face tokenizers)",
        ) from error  # fmt: skip
    text = tokenizer.set_length(raw, length, str(path))
    padding, pads_left = tokenizer.padding(text)
    return Fitted(
        shape=(len(tokenizer.encode(text, [" "])[0]),), tokenizer=text,
        tokenizer_file=path.name, padding=padding, pads_left=pads_left,
        vocabulary_size=tokenizer.vocabulary_size(text),
    )  # fmt: skip


def fit_table(
    records: pd.DataFrame, where: str, categorical: Collection[str], decimal: str
) -> Fitted:
    """Fit every input column.

    Args:
        records: Rows of the index.
        where: The key that names the columns, for messages.
        categorical: Names of the columns that have categories.
        decimal: What separates the decimals of numbers.

    Raises:
        DataError: A column is empty, holds free text or has no category that people share.
    """
    columns = tuple(
        fit_column(
            name.removeprefix(PREFIX), records[name], where,
            categorical=name.removeprefix(PREFIX) in categorical, decimal=decimal,
        )
        for name in input_columns(records)
    )  # fmt: skip
    gaps = {c.name: int(records[PREFIX + c.name].isna().sum()) for c in columns}
    notes = [f"{n:,} missing in {name} (extractor-train)" for name, n in gaps.items() if n]
    common = tuple(
        drop_rare_categories(c, records[PREFIX + c.name], records["person"], where) for c in columns
    )
    for column, kept in zip(columns, common, strict=True):
        rare = len(column.categories) - len(kept.categories)
        if rare:
            notes.append(
                f"{rare:,} categories of {column.name} of fewer than {tokenizer.MIN_PEOPLE} people "
                "count as any other"
            )
        repeats = count_spellings(kept.categories)
        if repeats:
            notes.append(f"{repeats:,} categories of {kept.name} differ from others in spelling")
    return Fitted(shape=(len(common),), columns=common, notes=tuple(notes))


def read_texts(records: pd.DataFrame, fitted: Fitted) -> Batch:
    """Encode texts as token ids; an empty text is marked as not readable."""
    (name,) = input_columns(records)
    x, readable = tokenizer.encode_texts(fitted.tokenizer, records[name].fillna("").tolist())
    return Batch(x=x, readable=readable)


def read_columns(records: pd.DataFrame, fitted: Fitted, decimal: str) -> Batch:
    """Encode the columns of a table; every row is readable."""
    encoded = [encode_column(c, records[PREFIX + c.name], decimal) for c in fitted.columns]
    return Batch(x=np.stack(encoded, axis=1), readable=np.ones(len(records), dtype=bool))
