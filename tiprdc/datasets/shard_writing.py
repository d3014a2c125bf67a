"""Writes the shards of a plan and `schema.json`, and says what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.reader import count_reasons
from tiprdc.datasets.schema import SPLITS, Schema, write_schema
from tiprdc.datasets.shard_plan import Plan, check_people
from tiprdc.datasets.summary import summary_lines
from tiprdc.datasets.tables.files import first_names
from tiprdc.errors import DataError

LEFT_OUT = "left_out.csv"
"""File beside the shards that lists the records without a place in them; it is never released."""
Encoded = tuple[bytes, dict[int, str]]
"""A shard's bytes, and row -> why it cannot be read."""


def write_shards(
    config: PrepareConfig,
    plan: Plan,
    encoded: Iterable[tuple[str, Encoded]],
    folder: Path,
    say: Callable[[str], None],
) -> Schema:
    """Write all files of a folder of shards.

    Args:
        config: Which data set, and how it is divided.
        plan: Of this configuration.
        encoded: File of each shard -> what `encode` gives for it, in any order.
        folder: Folder for the shards and `schema.json`; it exists.
        say: Called with each line for the user.

    Raises:
        DataError: Too many records are unreadable, or too few people are left.
    """
    for note in (*plan.notes, *plan.fitted.notes):
        say(note)
    unreadable, digests = _write(encoded, folder)
    notes = _check_unreadable(config, plan, unreadable, say)
    _list_unreadable(plan, unreadable, folder / LEFT_OUT)
    rows = np.setdiff1d(np.arange(len(plan.records)), list(unreadable))
    records, split = plan.records.iloc[rows], plan.split[rows]
    check_people(config, records, split, plan.attributes)
    if plan.fitted.tokenizer:
        (folder / "tokenizer.json").write_text(plan.fitted.tokenizer, encoding="utf-8")
    people = records["person"].groupby(split)
    schema = Schema(
        dataset=config.dataset,
        modality=plan.reader.modality,
        shape=plan.fitted.shape,
        attributes=plan.attributes,
        private=config.private,
        utility=config.utility,
        columns=plan.fitted.columns,
        vocabulary_size=plan.fitted.vocabulary_size,
        tokenizer_file=plan.fitted.tokenizer_file,
        padding=plan.fitted.padding,
        pads_left=plan.fitted.pads_left,
        background=plan.fitted.background,
        rate=plan.fitted.rate,
        people={name: int(people.get_group(name).nunique()) for name in SPLITS},
        records={name: len(people.get_group(name)) for name in SPLITS},
        unreadable=len(unreadable),
        notes=(*plan.notes, *plan.fitted.notes, *notes),
    )
    schema = write_schema(folder, schema, digests)
    for line in summary_lines(schema, records, split == "attacker-test"):
        say(line)
    return schema


def _write(
    encoded: Iterable[tuple[str, Encoded]], folder: Path
) -> tuple[dict[int, str], list[str]]:
    """Row -> why it cannot be read, in order, and a line `file sha256` for each shard."""
    unreadable: dict[int, str] = {}
    digests: list[str] = []
    for file, (data, rows) in encoded:
        unreadable |= rows
        digests.append(f"{file} {hashlib.sha256(data).hexdigest()}")
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return dict(sorted(unreadable.items())), digests


def _check_unreadable(
    config: PrepareConfig, plan: Plan, unreadable: dict[int, str], say: Callable[[str], None]
) -> tuple[str, ...]:
    """Refuse too many unreadable records; else say their names and return their number.

    The note is part of what a release ships, so it names no record.
    """
    if not unreadable:
        return ()
    total, count = len(plan.records), len(unreadable)
    reasons = count_reasons(unreadable.values())
    message = f"{count:,} of {total:,} records cannot be used ({reasons})"
    names = first_names(plan.records["record"].iloc[list(unreadable)])
    if count > config.max_unreadable * total:
        raise DataError(
            f"prepare.{config.dataset}",
            f"{message}: {names}",
            f"at most {config.max_unreadable:.2%} of the records (prepare.max_unreadable)",
            "fix or delete these records, or raise prepare.max_unreadable",
        )
    say(f"Left out: {message}: {names}")
    return (f"Left out: {message}.",)


def _list_unreadable(plan: Plan, unreadable: dict[int, str], path: Path) -> None:
    """Write the name of each record that is left out, with the reason; nothing if there is none."""
    if unreadable:
        names = plan.records["record"].iloc[list(unreadable)]
        table = pd.DataFrame({"record": names, "reason": list(unreadable.values())})
        table.to_csv(path, index=False)
