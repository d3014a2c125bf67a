"""Sends a file of features to a collector: batches are kept on disk until they are acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.formats.feature_batch import AcceptedRelease, Deletion, FeatureBatch, public_name
from tiprdc.runtime.csv_files import write_csv
from tiprdc.runtime.feature_files import FeatureRows, read_features, read_ids
from tiprdc.runtime.http_client import Answer, HttpClient
from tiprdc.runtime.outbox import Outbox

_OF_THIS_BATCH = (400, 409, 413, 422)
"""Refusals that say nothing of the next batch."""


@dataclass(frozen=True)
class SendingResult:
    """Counts of one run.

    Args:
        sent: Batches that the collector acknowledged.
        waiting: Batches that are kept for the next run.
        known: Records that were in a batch of an earlier run.
        refusal: The collector's last answer if batches are waiting; else None.
    """

    sent: int
    waiting: int
    known: int
    refusal: Answer | None


def queue(outbox: Outbox, features: Path, release: AcceptedRelease) -> int:
    """Make batches of the records of a file that were in none yet.

    Args:
        outbox: Keeps them.
        features: Written by `tiprdc.runtime.extraction.extract`.
        release: That made them.

    Returns:
        Number of records that were in a batch already.
    """
    known = 0
    for rows in read_features(features, release.records_per_batch):
        ids = outbox.record_ids(rows.ids)
        is_new = _first_of_each(ids, outbox.is_new(release.model_sha256, ids))
        known += len(ids) - sum(is_new)
        if any(is_new):
            new = [id_ for id_, keep in zip(ids, is_new, strict=True) if keep]
            batch = _batch(outbox.contributor, new, rows, np.array(is_new), release)
            outbox.put(release.model_sha256, new, msgspec.json.encode(batch))
    return known


def send(
    outbox: Outbox, client: HttpClient, known: int = 0, report: Callable[[int], None] | None = None
) -> SendingResult:
    """Send what is kept, in order; stops where the collector takes nothing of this device.

    A batch that is refused by itself, such as one of a version before, is kept; others go on.

    Args:
        outbox: Keeps the batches.
        client: Of the collector.
        known: For the result.
        report: Called after every batch with the number sent.
    """
    sent, refusal = 0, None
    for id_, body in outbox.waiting():
        answer = client.send("PUT", f"/v1/batches/{id_}", body)
        if answer.is_success:
            outbox.drop(id_)
            sent += 1
            if report:
                report(sent)
            continue
        refusal = answer
        if answer.status not in _OF_THIS_BATCH:
            break
    return SendingResult(sent, outbox.count(), known, refusal)


def forget(outbox: Outbox, client: HttpClient) -> Answer:
    """Have a collector delete all of this contributor; then delete what is kept here."""
    body = msgspec.json.encode(Deletion(contributor=outbox.contributor))
    answer = client.send("POST", "/v1/deletions", body)
    if answer.is_success:
        outbox.forget()
    return answer


def write_ids(outbox: Outbox, features: Path, output: Path) -> None:
    """Write under which names the collector has the records of a file; it stays on the device.

    Args:
        outbox: Whose contributor sent them.
        features: Written by `tiprdc.runtime.extraction.extract`.
        output: CSV with the columns record, device and id, as examples/collector.py names them.
    """
    device, names = public_name(outbox.contributor), read_ids(features)
    ids = zip(names, outbox.record_ids(names), strict=True)
    rows = [[name, device, id_] for name, id_ in ids]
    write_csv(output, [["record", "device", "id"], *rows])


def _first_of_each(ids: list[str], is_new: list[bool]) -> list[bool]:
    """Of several records of one name, the first alone is new."""
    first = {id_: position for position, id_ in reversed(list(enumerate(ids)))}
    return [new and first[id_] == n for n, (id_, new) in enumerate(zip(ids, is_new, strict=True))]


def _batch(
    contributor: str,
    ids: list[str],
    rows: FeatureRows,
    keep: NDArray[np.bool_],
    release: AcceptedRelease,
) -> FeatureBatch:
    z = rows.features[keep]
    codes = None if rows.codes is None else tuple(rows.codes[keep].tolist())
    return FeatureBatch(
        artifact=release.artifact,
        version=release.version,
        model_sha256=release.model_sha256,
        contributor=contributor,
        ids=tuple(ids),
        dtype="float32",
        shape=z.shape,
        features=z.astype("<f4", copy=False).tobytes(),
        codes=codes,
    )
