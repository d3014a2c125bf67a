"""What every source of records on a device is: names, batches, and reasons of those that fail."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiprdc.runtime.extractor import ExtractorInput

NOT_FINITE = "a number that is missing, infinite or beyond float32"


@dataclass(frozen=True, kw_only=True)
class FailedRecord:
    """A record without features: its name and the reason, never its content."""

    id: str
    reason: str


class RecordBatch(NamedTuple):
    """Consecutive records of a source.

    Args:
        x: Those that could be read, as `Extractor` takes them.
        positions: Their positions among all records `[B]`.
        failures: Position -> a record that could not be read.
    """

    x: ExtractorInput
    positions: NDArray[np.int64]
    failures: dict[int, FailedRecord]


class RecordSource(ABC):
    """Records that can be read in batches.

    Attributes:
        ids: Names of the records, in the order of the output.
        digest: sha256 that changes when the list of records, or one of their files, changes.
        notes: What else a user should know of the source.
    """

    ids: Sequence[str]
    digest: str
    notes: tuple[str, ...] = ()

    @abstractmethod
    def read(self, start: int, stop: int) -> RecordBatch:
        """Read the records from position start up to, not including, stop."""

    def __len__(self) -> int:
        return len(self.ids)


def select_failures(
    reasons: dict[int, str], ids: Sequence[str], start: int, stop: int
) -> dict[int, FailedRecord]:
    """The failed records of a batch, from position -> reason of a whole source."""
    rows = range(start, min(stop, len(ids)))
    return {row: FailedRecord(id=ids[row], reason=reasons[row]) for row in rows if row in reasons}


def as_positions(rows: Iterable[int]) -> NDArray[np.int64]:
    """Positions as an array `[B]`."""
    return np.array(list(rows), dtype=np.int64)


def digest_lines(lines: Iterable[str]) -> str:
    """The sha256 of these lines."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
