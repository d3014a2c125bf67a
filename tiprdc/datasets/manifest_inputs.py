"""The three kinds of input of a manifest: image paths, texts, and columns of a table.

Input columns of an index are named `x:NAME`, so that none collides with an attribute's name.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from tiprdc.datasets import tokenizer
from tiprdc.datasets.images import SUFFIXES, read_image
from tiprdc.datasets.reader import Batch, Fitted
from tiprdc.datasets.schema import Modality
from tiprdc.datasets.tables import encode_column, fit_column
from tiprdc.errors import DataError

PREFIX = "x:"


def guess_modality(inputs: pd.DataFrame) -> Modality:
    """Several columns are a table; one is images, texts or a table, depending on its values."""
    if inputs.shape[1] > 1:
        return "table"
    sample = inputs.iloc[:, 0].dropna().head(1000)
    if sample.str.lower().str.endswith(SUFFIXES).mean() > 0.9:
        return "image"
    return "text" if sample.str.strip().str.contains(r"\s").mean() > 0.5 else "table"


def input_columns(records: pd.DataFrame) -> list[str]:
    """Names of the input columns of an index, with their prefix."""
    return [name for name in records.columns if name.startswith(PREFIX)]


def check_image_paths(records: pd.DataFrame, root: Path, section: str) -> None:
    """Check the image paths of an index.

    Args:
        records: The index, with one input column of paths.
        root: The folder that paths are relative to.
        section: The section of params.yaml, for messages.

    Raises:
        DataError: The root is not a folder, a path leads out of it, or two people have one image.
    """
    _require_root(root, section)
    paths = records[input_columns(records)[0]].dropna()
    inside = str(root) + os.sep
    outside = [path for path in paths if not os.path.normpath(root / path).startswith(inside)]
    if outside:
        raise DataError(
            f"{section}.x",
            f"{len(outside):,} paths lead out of {root}: {', '.join(outside[:5])}",
            "paths inside the root",
            f"set {section}.root to a folder that contains all images",
        )
    people = records["person"][paths.index].groupby(paths.map(os.path.normpath)).nunique()
    shared = people[people > 1].index.tolist()
    if shared:
        raise DataError(
            f"{section}.x",
            f"{len(shared):,} images are listed for two people: {', '.join(shared[:5])}",
            "each image for one person",
            "delete the repeated rows, or name the person column",
        )


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


def fit_table(records: pd.DataFrame, where: str) -> Fitted:
    """Fit every input column.

    Args:
        records: Rows of the index.
        where: The key that names the columns, for messages.

    Raises:
        DataError: A column is empty or holds free text.
    """
    columns = tuple(
        fit_column(name.removeprefix(PREFIX), records[name], where)
        for name in input_columns(records)
    )
    gaps = {c.name: int(records[PREFIX + c.name].isna().sum()) for c in columns}
    notes = [f"{n:,} missing in {name} (extractor-train)" for name, n in gaps.items() if n]
    return Fitted(shape=(len(columns),), columns=columns, notes=tuple(notes))


def read_images(records: pd.DataFrame, fitted: Fitted, root: Path, section: str) -> Batch:
    """Read image files; a missing or broken one is marked as not readable.

    Raises:
        DataError: The root is not a folder on this machine.
    """
    _require_root(root, section)
    (name,) = input_columns(records)
    x = np.zeros((len(records), *fitted.shape), dtype=np.uint8)
    readable = np.zeros(len(records), dtype=bool)
    for row, path in enumerate(records[name]):
        image = read_image(root / path, fitted.shape[-1]) if pd.notna(path) else None
        if image is not None:
            x[row], readable[row] = image, True
    return Batch(x=x, readable=readable)


def read_texts(records: pd.DataFrame, fitted: Fitted) -> Batch:
    """Encode texts as token ids; an empty text is marked as not readable."""
    (name,) = input_columns(records)
    x = tokenizer.encode(fitted.tokenizer, records[name].fillna("").tolist())
    return Batch(x=x, readable=x[:, 0] > 0)


def read_columns(records: pd.DataFrame, fitted: Fitted) -> Batch:
    """Encode the columns of a table; every row is readable."""
    encoded = [encode_column(c, records[PREFIX + c.name]) for c in fitted.columns]
    return Batch(x=np.stack(encoded, axis=1), readable=np.ones(len(records), dtype=bool))


def _require_root(root: Path, section: str) -> None:
    if not root.is_dir():
        raise DataError(
            f"{section}.root",
            f"{root} is not a folder on this machine",
            "a folder that this machine, and every worker of a cluster, can read",
            "correct the path, or put the images on storage that all machines share",
        )
