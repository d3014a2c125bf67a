"""Records -> shards: list, split by person, fit on extractor-train, and write Parquet on Ray Data.

The driver plans which rows go into which file, so any number of workers gives the same bytes. The
workers read and encode; the files come back through Ray and the driver alone writes, so that no
worker needs to see the project's folder.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import ray
import ray.data
from msgspec import Meta
from numpy.typing import NDArray

from pipelines.cluster import ClusterConfig, connect
from pipelines.observability.progress import console, progress
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from tiprdc.datasets.adult import AdultConfig, adult_reader
from tiprdc.datasets.avatars import AvatarsConfig, AvatarsReader
from tiprdc.datasets.celeba import CelebaConfig, celeba_reader
from tiprdc.datasets.dial import DialConfig, dial_reader
from tiprdc.datasets.lfw import LfwConfig, lfw_reader
from tiprdc.datasets.manifest import ManifestConfig, ManifestReader
from tiprdc.datasets.reader import Fitted, Reader
from tiprdc.datasets.schema import (
    SPLITS,
    Attribute,
    Records,
    Schema,
    encode_shard,
    write_schema,
)
from tiprdc.datasets.splits import SharesConfig, assign, refuse_few_people, shuffled
from tiprdc.errors import DataError
from tiprdc.settings import MAX_SEED, Settings

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
    """Everything that is decided before a record is opened.

    Args:
        reader: Reads any of the records.
        records: The index, sorted by split and in a seeded order within each.
        split: The split of each record `[N]`.
        attributes: All attributes, private and utility first.
        fitted: What extractor-train decides.
        shards: The file, the first row and the row after the last of each shard.
        notes: What a reader of the report should know about the source.
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
        cluster: Where.
        out: Folder for the shards and `schema.json`.

    Raises:
        DataError: The data do not fit what is asked of them; `out` is left as it was.
        ClusterError: Ray does not answer, or a worker was lost too often.
    """
    with monitor_stage("prepare", cluster) as seen:
        schema = _prepare(config, cluster, seen, out)
        seen.log_event("prepared", {"records": schema.records, "unreadable": schema.unreadable})
        return schema


def _prepare(
    config: PrepareConfig, cluster: ClusterConfig, seen: StageMonitor, out: Path
) -> Schema:
    plan = make_plan(config)
    with connect(cluster), _whole(out) as folder:
        unreadable, digests = _write_shards(plan, folder, seen)
        notes = _judge_unreadable(config, plan, unreadable)
        kept = np.setdiff1d(np.arange(len(plan.records)), unreadable)
        _refuse_few_people(config, plan.records.iloc[kept], plan.split[kept], plan.attributes)
        if plan.fitted.tokenizer:
            (folder / "tokenizer.json").write_text(plan.fitted.tokenizer, encoding="utf-8")
        people = plan.records["person"].iloc[kept].groupby(plan.split[kept])
        schema = Schema(
            dataset=config.dataset,
            modality=plan.reader.modality,
            shape=plan.fitted.shape,
            attributes=plan.attributes,
            private=config.private,
            utility=config.utility,
            columns=plan.fitted.columns,
            vocabulary_size=plan.fitted.vocabulary_size,
            people={name: int(people.get_group(name).nunique()) for name in SPLITS},
            records={name: len(people.get_group(name)) for name in SPLITS},
            unreadable=len(unreadable),
            notes=(*plan.notes, *plan.fitted.notes, *notes),
        )
        return write_schema(folder, schema, digests)


def make_plan(config: PrepareConfig) -> Plan:
    """Index, split, fit, and say which rows go into which file.

    Raises:
        DataError: The data do not fit what is asked of them.
    """
    reader = _READERS[config.dataset](config)
    index = reader.index()
    records = index.records
    official = records["split"].tolist() if "split" in records else None
    where = f"prepare.{config.dataset}.split"
    person = records["person"].tolist()
    split = assign(person, config.shares, config.seed, official, where)
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
    """Rows by split, and people within it in a seeded order, so that no shard holds one class."""
    rank = {name: number for number, name in enumerate(shuffled(person, seed))}
    part = {name: number for number, name in enumerate(SPLITS)}
    return np.lexsort(([rank[name] for name in person], [part[name] for name in split]))


def _shards(split: NDArray[np.str_], size: int) -> Iterator[tuple[str, int, int]]:
    """File, first row and row after the last: `size` records of one split at most."""
    for name in SPLITS:
        rows = np.flatnonzero(split == name)
        for number, start in enumerate(range(0, len(rows), size)):
            chosen = rows[start : start + size]
            yield f"{name}/part-{number:05d}.parquet", int(chosen[0]), int(chosen[-1]) + 1


def _refuse_few_people(
    config: PrepareConfig,
    records: pd.DataFrame,
    split: NDArray[np.str_],
    attributes: tuple[Attribute, ...],
) -> None:
    named = (*config.private, *config.utility)
    asked = [attribute for attribute in attributes if attribute.name in named]
    where = f"prepare.{config.dataset}"
    refuse_few_people(records, split, asked, config.min_people, where)


def _write_shards(plan: Plan, folder: Path, seen: StageMonitor) -> tuple[list[int], list[str]]:
    """Read and encode on the workers, write here; the unreadable rows, and the files' digests."""
    # Ray Data draws bars and logs every step; ours say the same in a line.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    shared = ray.put(plan)
    tasks = [{"file": file, "start": start, "stop": stop} for file, start, stop in plan.shards]
    done = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(partial(_encode, shared))
    unreadable: list[int] = []
    digests: list[str] = []
    rows = done.iter_rows()
    for shard in progress(rows, total=len(tasks), label="prepare", unit="shard", heard=seen.done):
        unreadable += list(shard["unreadable"])
        digests.append(f"{shard['file']} {shard['digest']}")
        path = folder / shard["file"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(shard["data"])
    return sorted(unreadable), digests


def _encode(shared: ray.ObjectRef[Plan], task: dict[str, Any]) -> dict[str, Any]:
    """One shard, in a worker."""
    plan = ray.get(shared)
    start, stop = task["start"], task["stop"]
    rows = plan.records.iloc[start:stop]
    batch = plan.reader.read(rows, plan.fitted)
    kept = rows[batch.readable]
    data = encode_shard(
        Records(
            x=batch.x[batch.readable],
            labels={a.name: kept[a.name].to_numpy(dtype=np.int64) for a in plan.attributes},
            person=kept["person"].to_numpy(dtype=np.str_),
        )
    )
    return {
        "file": task["file"],
        "data": data,
        "digest": hashlib.sha256(data).hexdigest(),
        "unreadable": (start + np.flatnonzero(~batch.readable)).tolist(),
    }


def _judge_unreadable(config: PrepareConfig, plan: Plan, unreadable: list[int]) -> tuple[str, ...]:
    """Refuse too many unreadable records; else say how many were left out."""
    if not unreadable:
        return ()
    total, count = len(plan.records), len(unreadable)
    names = ", ".join(plan.records["record"].iloc[unreadable[:5]])
    more = f" and {count - 5:,} more" if count > 5 else ""
    what = "empty" if plan.reader.modality == "text" else "missing, broken or not pictures"
    said = f"{count:,} of {total:,} records are {what}: {names}{more}"
    if count > config.max_unreadable * total:
        raise DataError(
            f"prepare.{config.dataset}",
            said,
            f"at most {config.max_unreadable:.2%} of the records (prepare.max_unreadable)",
            "fix or delete them, or allow more of them to be left out",
        )
    console.print(f"Left out: {said}", markup=False)
    return (f"Left out: {said}.",)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place only if the block succeeds."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
