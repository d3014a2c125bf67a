"""Prepare a data set: split its people, fit on extractor-train, write Parquet shards on Ray.

The driver plans which rows go into which file, so the bytes do not depend on the number of workers.
Workers read and encode. The driver alone writes, so no worker needs the project's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import ray
from msgspec import Meta
from numpy.typing import NDArray

from pipelines.cluster.connect import ClusterConfig, connect, max_parallel
from pipelines.cluster.tasks import run_tasks
from pipelines.observability.progress import console, progress
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from pipelines.preparation.summary import summary_lines
from tiprdc.datasets.adult import AdultConfig, adult_reader
from tiprdc.datasets.avatars.reader import AvatarsConfig, AvatarsReader
from tiprdc.datasets.celeba import CelebaConfig, celeba_reader
from tiprdc.datasets.dial import DialConfig, dial_reader
from tiprdc.datasets.lfw import LfwConfig, lfw_reader
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.reader import Fitted, Reader, count_reasons
from tiprdc.datasets.schema import (
    SPLITS,
    Attribute,
    Records,
    Schema,
    encode_shard,
    write_schema,
)
from tiprdc.datasets.splits import (
    SharesConfig,
    assign_splits,
    refuse_few_people,
    shuffle_people,
)
from tiprdc.datasets.tables.files import first_names
from tiprdc.errors import DataError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.writable import require_writable
from tiprdc.settings import MAX_SEED, Settings

LEFT_OUT = "left_out.csv"
"""File beside the shards that lists the records without a place in them; it is never released."""

Section = AvatarsConfig | AdultConfig | CelebaConfig | LfwConfig | DialConfig | ManifestConfig


class PrepareConfig(Settings, frozen=True, kw_only=True):
    """From a data set to shards (`prepare`)."""

    params_key: ClassVar[str] = "prepare"

    dataset: Annotated[
        Literal["avatars", "adult", "celeba", "lfw", "dial", "manifest"],
        Meta(description="Data set; only the section of its name is read."),
    ] = "avatars"
    seed: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SEED,
            description="Seed that assigns people to splits and, for avatars, draws the faces.",
        ),
    ] = 0  # fmt: skip
    shares: Annotated[
        SharesConfig, Meta(description="Shares of the people in the four splits.")
    ] = SharesConfig()
    records_per_shard: Annotated[
        int, Meta(ge=16, le=65_536, description="Records in a file, one task of a worker.")
    ] = 1024
    max_unreadable: Annotated[
        float,
        Meta(
            ge=0, le=1,
            description="Largest share of unreadable records; they are left out and counted.",
        ),
    ] = 0.01  # fmt: skip
    min_people: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000,
            description="Fewest people of each class of each named attribute in each split.",
        ),
    ] = 10  # fmt: skip
    avatars: Annotated[AvatarsConfig, Meta(description="Generated faces.")] = AvatarsConfig()
    adult: Annotated[AdultConfig, Meta(description="UCI Adult, a census table.")] = AdultConfig()
    celeba: Annotated[CelebaConfig, Meta(description="Faces of celebrities.")] = CelebaConfig()
    lfw: Annotated[LfwConfig, Meta(description="Faces in the news.")] = LfwConfig()
    dial: Annotated[DialConfig, Meta(description="Tweets by dialect.")] = DialConfig()
    manifest: Annotated[ManifestConfig, Meta(description="Your own data.")] = ManifestConfig()

    @property
    def section(self) -> Section:
        """The chosen data set's own settings."""
        section: Section = getattr(self, self.dataset)
        return section

    @property
    def private(self) -> tuple[str, ...]:
        """Attributes to hide."""
        return self.section.private

    @property
    def utility(self) -> tuple[str, ...]:
        """Attributes that stand for unseen tasks and are not to be hidden."""
        return tuple(name for name in self.section.utility if name not in self.private)


_READERS: dict[str, Callable[[PrepareConfig], Reader]] = {
    "avatars": lambda config: AvatarsReader(config.avatars, config.seed),
    "adult": lambda config: adult_reader(config.adult),
    "celeba": lambda config: celeba_reader(config.celeba),
    "lfw": lambda config: lfw_reader(config.lfw),
    "dial": lambda config: dial_reader(config.dial),
    "manifest": lambda config: ManifestReader(config.manifest),
}


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


def prepare(config: PrepareConfig, cluster: ClusterConfig, *, out: Path) -> Schema:
    """Write the shards of a data set, all or nothing.

    Args:
        config: Which data set, and how it is divided.
        cluster: Where this runs.
        out: Folder for the shards and `schema.json`.

    Raises:
        ConfigError: The shards cannot be written.
        DataError: The data do not fit the settings; `out` is left as it was.
        ClusterError: Ray does not answer, or a worker was lost too often.
    """
    require_writable(out.parent, option="prepare")
    with monitor_stage("prepare", cluster) as monitor:
        schema = _prepare(config, cluster, monitor, out)
        counts = {"records": schema.records, "unreadable": schema.unreadable}
        monitor.log_event("prepared", counts)
        return schema


def _prepare(
    config: PrepareConfig, cluster: ClusterConfig, monitor: StageMonitor, out: Path
) -> Schema:
    plan = make_plan(config)
    for note in (*plan.notes, *plan.fitted.notes):
        console.print(note, markup=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    whole = atomic_directory(out, replace=True, allow_links=True)
    with connect(cluster), whole as folder:
        unreadable, digests = _write_shards(plan, folder, monitor)
        notes = _check_unreadable(config, plan, unreadable)
        _list_unreadable(plan, unreadable, folder / LEFT_OUT)
        rows = np.setdiff1d(np.arange(len(plan.records)), list(unreadable))
        _refuse_few_people(config, plan.records.iloc[rows], plan.split[rows], plan.attributes)
        if plan.fitted.tokenizer:
            (folder / "tokenizer.json").write_text(plan.fitted.tokenizer, encoding="utf-8")
        people = plan.records["person"].iloc[rows].groupby(plan.split[rows])
        schema = Schema(
            dataset=config.dataset,
            modality=plan.reader.modality,
            shape=plan.fitted.shape,
            attributes=plan.attributes,
            private=config.private,
            utility=config.utility,
            columns=plan.fitted.columns,
            vocabulary_size=plan.fitted.vocabulary_size,
            background=plan.fitted.background,
            people={name: int(people.get_group(name).nunique()) for name in SPLITS},
            records={name: len(people.get_group(name)) for name in SPLITS},
            unreadable=len(unreadable),
            notes=(*plan.notes, *plan.fitted.notes, *notes),
        )
        schema = write_schema(folder, schema, digests)
    test = plan.split[rows] == "attacker-test"
    for line in summary_lines(schema, plan.records.iloc[rows], test):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return schema


def make_plan(config: PrepareConfig) -> Plan:
    """Index the records, split the people, fit, and assign rows to files.

    Raises:
        DataError: The data do not fit the settings.
    """
    reader = _READERS[config.dataset](config)
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
    _refuse_few_people(config, records, split, attributes)
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


def _refuse_few_people(
    config: PrepareConfig,
    records: pd.DataFrame,
    split: NDArray[np.str_],
    attributes: tuple[Attribute, ...],
) -> None:
    named = (*config.private, *config.utility)
    checked = [attribute for attribute in attributes if attribute.name in named]
    where = f"prepare.{config.dataset}"
    refuse_few_people(records, split, checked, config.min_people, where)


def _write_shards(
    plan: Plan, folder: Path, monitor: StageMonitor
) -> tuple[dict[int, str], list[str]]:
    """Read and encode on workers, write here.

    Returns:
        Row -> why it cannot be read, in order, and a line `file sha256` for each shard.
    """
    shared = ray.put(plan)
    arguments = {file: (shared, start, stop) for file, start, stop in plan.shards}
    # Two shards for each core: enough to keep all busy, few enough for the object store.
    results = run_tasks(_encode, arguments, at_once=2 * max_parallel({"CPU": 1}), retries=3)
    unreadable: dict[int, str] = {}
    digests: list[str] = []
    total = len(arguments)
    for file, (data, rows) in progress(
        results, total=total, label="prepare", unit="shard", on_change=monitor.set_progress
    ):
        unreadable |= rows
        digests.append(f"{file} {hashlib.sha256(data).hexdigest()}")
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return dict(sorted(unreadable.items())), digests


def _encode(plan: Plan, start: int, stop: int) -> tuple[bytes, dict[int, str]]:
    """In a worker: the bytes of one shard, and why rows of the plan cannot be read."""
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


def _check_unreadable(
    config: PrepareConfig, plan: Plan, unreadable: dict[int, str]
) -> tuple[str, ...]:
    """Refuse too many unreadable records; else print their names and return their number.

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
    console.print(f"Left out: {message}: {names}", markup=False)
    return (f"Left out: {message}.",)


def _list_unreadable(plan: Plan, unreadable: dict[int, str], path: Path) -> None:
    """Write the name of each record that is left out, with the reason; nothing if there is none."""
    if unreadable:
        names = plan.records["record"].iloc[list(unreadable)]
        table = pd.DataFrame({"record": names, "reason": list(unreadable.values())})
        table.to_csv(path, index=False)
