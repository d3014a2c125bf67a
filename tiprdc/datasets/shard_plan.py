"""Plans which record goes into which shard, and encodes shards: people split, inputs fitted.

The plan fixes the bytes of every shard, however many workers encode them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiprdc.datasets.prepare_config import READERS, PrepareConfig
from tiprdc.datasets.reader import Fitted, Reader
from tiprdc.datasets.schema import SPLITS, Attribute, Records, encode_shard
from tiprdc.datasets.splits import assign_splits, refuse_few_people, shuffle_people


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which record goes into which shard; made before any record is read.

    Args:
        reader: Reads any of the records.
        records: The index, sorted by split and in a seeded order within each.
        split: The split of each record `[N]`.
        attributes: All attributes, private and utility first.
        fitted: Scales, categories and vocabulary, fitted on extractor-train.
        shards: The file, the first row and the row after the last of each shard.
        notes: Remarks on the source, for the report.
    """

    reader: Reader
    records: pd.DataFrame
    split: NDArray[np.str_]
    attributes: tuple[Attribute, ...]
    fitted: Fitted
    shards: tuple[tuple[str, int, int], ...]
    notes: tuple[str, ...]


def make_plan(config: PrepareConfig) -> Plan:
    """Index the records, split the people, fit, and assign rows to files.

    Raises:
        DataError: The data do not fit the settings.
    """
    reader = READERS[config.dataset](config)
    index = reader.index()
    records = index.records
    official = records["split"].tolist() if "split" in records else None
    where = f"prepare.{config.dataset}.split"
    person = records["person"].tolist()
    split = assign_splits(
        person, config.shares, config.seed, official, where, may_be_empty=index.split_may_be_empty
    )
    order = _order(person, split, config.seed)
    records, split = records.iloc[order].reset_index(drop=True), split[order]
    by_name = {attribute.name: attribute for attribute in index.attributes}
    names = dict.fromkeys((*config.private, *config.utility, *by_name))
    attributes = tuple(by_name[name] for name in names)
    check_people(config, records, split, attributes)
    return Plan(
        reader=reader,
        records=records,
        split=split,
        attributes=attributes,
        fitted=reader.fit(records[split == "extractor-train"]),
        shards=tuple(_shards(split, config.records_per_shard)),
        notes=index.notes,
    )


def _order(person: list[str], split: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    """Row order: by split, then people in a seeded order, so that no shard holds one class."""
    rank = {name: number for number, name in enumerate(shuffle_people(person, seed))}
    part = {name: number for number, name in enumerate(SPLITS)}
    return np.lexsort(([rank[name] for name in person], [part[name] for name in split]))


def _shards(split: NDArray[np.str_], size: int) -> Iterator[tuple[str, int, int]]:
    """Yield file, first row and row after the last; at most `size` records of one split."""
    for name in SPLITS:
        rows = np.flatnonzero(split == name)
        for number, start in enumerate(range(0, len(rows), size)):
            part = rows[start : start + size]
            yield f"{name}/part-{number:05d}.parquet", int(part[0]), int(part[-1]) + 1


def check_people(
    config: PrepareConfig,
    records: pd.DataFrame,
    split: NDArray[np.str_],
    attributes: tuple[Attribute, ...],
) -> None:
    """Refuse a split with too few people of a class of a named attribute.

    Raises:
        DataError: There are fewer than `config.min_people`.
    """
    named = (*config.private, *config.utility)
    checked = [attribute for attribute in attributes if attribute.name in named]
    where = f"prepare.{config.dataset}"
    refuse_few_people(records, split, checked, config.min_people, where)


def encode(plan: Plan, start: int, stop: int) -> tuple[bytes, dict[int, str]]:
    """The bytes of the shard of these rows of the plan, and why rows of it cannot be read."""
    rows = plan.records.iloc[start:stop]
    batch = plan.reader.read(rows, plan.fitted)
    readable = rows[batch.readable]
    data = encode_shard(
        Records(
            x=batch.x[batch.readable],
            labels={a.name: readable[a.name].to_numpy(dtype=np.int64) for a in plan.attributes},
            person=readable["person"].to_numpy(dtype=np.str_),
        )
    )
    unreadable = np.flatnonzero(~batch.readable).tolist()
    return data, {start + row: batch.reasons.get(row, "empty") for row in unreadable}
