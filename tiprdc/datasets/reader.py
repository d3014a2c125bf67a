"""The interface of every data set reader: list the records, fit the inputs, read records.

`index` runs once, on the driver, and opens no image. `fit` runs once, on the rows of
extractor-train alone, so that no person of the attackers shapes the input. `read` runs in any
worker, on a slice of the index, and marks records that cannot be read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.images import WHITE
from tiprdc.datasets.schema import Attribute, Column, Modality

RESERVED = ("record", "person", "split")
"""Columns of an index; no attribute may have one of these names."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """All records of a data set, without their contents.

    Args:
        records: One row a record. Columns: `record` (str), its name in messages; `person` (str),
            the person it is about; `split` (optional), the split that the source prescribes; one
            column of class numbers named after each attribute; and what the reader needs to find
            the record again.
        attributes: The attributes and the names of their classes.
        notes: Remarks about the source for the report.
        split_may_be_empty: Whether records with an empty `split` are divided by the shares; if
            not, an empty one is refused.
    """

    records: pd.DataFrame
    attributes: tuple[Attribute, ...]
    notes: tuple[str, ...] = ()
    split_may_be_empty: bool = False


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What `read` needs and extractor-train decides.

    Args:
        shape: Shape of one record: (C, H, W), (F,), or (T,) of tokens or samples.
        columns: For tables, the input columns in order.
        tokenizer: For text, the tokenizer's JSON.
        tokenizer_file: For text, name of the tokenizer's file; empty: trained on extractor-train.
        padding, pads_left: For text, the padding token's id, and whether it stands before a text.
        vocabulary_size: For text, the number of token ids.
        background: For pictures, the colour that transparent pixels are shown on.
        rate: For recordings, samples a second.
        notes: Remarks about the fit for the report.
    """

    shape: tuple[int, ...]
    columns: tuple[Column, ...] = ()
    tokenizer: str = ""
    tokenizer_file: str = ""
    padding: int = 0
    pads_left: bool = False
    vocabulary_size: int = 0
    background: str = WHITE
    rate: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Records as arrays.

    Args:
        x: `[B, *shape]`: uint8 images, float32 columns, int32 token ids or int16 samples.
        readable: `[B]` bool; where False, x is meaningless.
        reasons: Row -> why it is not readable, where that is known; never a record's content.
    """

    x: NDArray[Any]
    readable: NDArray[np.bool_]
    reasons: Mapping[int, str] = field(default_factory=dict)


class Reader(ABC):
    """One data set."""

    modality: Modality

    @abstractmethod
    def index(self) -> Index:
        """List every record.

        Raises:
            DataError: A file or a column is missing, or an attribute cannot be used.
        """

    @abstractmethod
    def fit(self, records: pd.DataFrame) -> Fitted:
        """Fit the inputs to these rows of the index, which are those of extractor-train."""

    @abstractmethod
    def read(self, records: pd.DataFrame, fitted: Fitted) -> Batch:
        """Read these rows of the index, in their order.

        Raises:
            DataError: Nothing at all can be read on this machine.
        """


def count_reasons(reasons: Iterable[str]) -> str:
    """Each reason with the number of its records, such as `no such file: 3; of one colour: 1`."""
    return "; ".join(f"{reason}: {number:,}" for reason, number in Counter(reasons).items())
