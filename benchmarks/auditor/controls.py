"""Whether whole audits say what must be said: of extractors that hide nothing, of one that tells
nothing; the same when they are made again; and how long a large one takes.

    python -m benchmarks.auditor.controls --seeds 20          rows for controls.csv
    python -m benchmarks.auditor.controls --seeds 0 --large   10,000 people x 1,024 features, timed
    python -m benchmarks.auditor.controls --table                  the table of docs/auditor.md

Every seed draws generated faces of its own, trains an unprotected extractor on some of them and
audits its exported file on others, by every attack of the suite; and once more with features that
are the same for everybody. Rows that are there already are not done again; rows of another version
of the suite do not count.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.auditor.tables import put
from benchmarks.csv_rows import append
from pipelines.audit.ray_executor import RayExecutor
from pipelines.cluster import ClusterConfig, connect
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.executor import MOST_SECONDS, InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import Model, OwnModel
from tiprdc.audit.report_document import AuditReport
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.baselines.base import FitInputs, MethodsConfig
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.datasets.avatars import AvatarsConfig, AvatarsReader
from tiprdc.datasets.schema import SPLITS, Records, Schema
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.statistics.binomial import lower_bound
from tiprdc.training.schedule_config import ScheduleConfig

HERE = Path(__file__).parent
COLUMNS = (
    "control", "seed", "suite", "verdict", "attack", "value", "low", "high", "people", "same",
    "cores", "seconds",
)  # fmt: skip
SMALL = {
    "extractor-train": 2000, "attacker-train": 800, "attacker-select": 400, "attacker-test": 800,
}  # fmt: skip
LARGE = {
    "extractor-train": 2000, "attacker-train": 4500, "attacker-select": 1500,
    "attacker-test": 4000,
}  # fmt: skip
WIDTH = 1024
LEAN = AuditConfig(seeds=(0,), measures=(), reconstruction=False)
"""Every attack on the attribute; the measures, which decide nothing, are left out."""
SHORT = MethodsConfig(schedule=ScheduleConfig(epochs=4))
WANTED = {"unprotected": "FAIL", "constant": "PASS"}


@dataclass(frozen=True)
class Made:
    """In place of an ONNX file: features `[N, width]` that a formula makes of records.

    Args:
        width: D.
        telling: Whether they are a random projection of the record; else 0 for everybody.
    """

    width: int
    telling: bool

    @property
    def sha256(self) -> str:
        """Of what it does."""
        return hashlib.sha256(f"{self.width} {self.telling}".encode()).hexdigest()

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """The features."""
        if not self.telling:
            return np.zeros((len(x), self.width), np.float32)
        flat = x.reshape(len(x), -1).astype(np.float32) / 255
        weights = np.random.default_rng(0).normal(size=(flat.shape[1], self.width))
        return np.maximum(flat @ weights.astype(np.float32), 0)


def main(
    seeds: Annotated[int, typer.Option(help="Populations, from 0 on.")] = 20,
    large: Annotated[bool, typer.Option("--large", help="Also the large audit.")] = False,
    cores: Annotated[int, typer.Option(help="1 does without Ray.")] = 2,
    table: Annotated[bool, typer.Option("--table", help="Only write docs/auditor.md.")] = False,
    out: Annotated[Path, typer.Option(help="CSV to add to.")] = HERE / "controls.csv",
) -> None:
    """Add rows to the CSV, or write the table."""
    if table:
        put(HERE.parent / "docs" / "auditor.md", "controls", "\n".join(lines(read(out))))
        return
    torch.set_num_threads(cores)
    done = {(row["control"], row["seed"]) for row in read(out)}
    with connect(ClusterConfig(num_cpus=cores)) if cores > 1 else nullcontext():
        for seed in range(seeds):
            if {(name, str(seed)) for name in WANTED} - done:
                for row in population(seed, SMALL, LEAN, cores):
                    _add(out, row)
        if large and ("large", "0") not in done:
            _add(out, largest(LARGE, AuditConfig(), cores))


def population(
    seed: int, people: dict[str, int], config: AuditConfig, cores: int
) -> Iterator[dict[str, Any]]:
    """Rows of one seed: both controls, each audited, and with the first seed again."""
    schema, parts = faces(seed, people)
    models: dict[str, Model] = {
        "unprotected": _unprotected(schema, parts["extractor-train"], seed),
        "constant": Made(24, telling=False),
    }
    for control, model in models.items():
        report = audited(schema, parts, model, config, cores)
        again = audited(schema, parts, model, config, cores) if seed == 0 else None
        same = "" if again is None else str(timeless(report) == timeless(again))
        yield _row(control, seed, report, cores, same)


def largest(people: dict[str, int], config: AuditConfig, cores: int) -> dict[str, Any]:
    """The row of a full audit, measures and all, of many people and features."""
    schema, parts = faces(0, people)
    report = audited(schema, parts, Made(WIDTH, telling=True), config, cores)
    return _row("large", 0, report, cores, "")


def faces(seed: int, people: dict[str, int]) -> tuple[Schema, dict[str, Records]]:
    """Generated faces in four splits."""
    config = AvatarsConfig(people=sum(people.values()))
    reader = AvatarsReader(config, seed)
    index = reader.index()
    x = reader.read(index.records, reader.fit(index.records)).x
    everybody = Records(
        x=x,
        labels={a.name: index.records[a.name].to_numpy(np.int64) for a in index.attributes},
        person=index.records["person"].to_numpy(dtype=np.str_),
    )
    ends = np.cumsum([people[split] for split in SPLITS])
    rows = dict(zip(SPLITS, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
    parts: dict[str, Records] = {split: everybody.take(some) for split, some in rows.items()}
    schema = Schema(
        dataset="avatars", modality="image", shape=x.shape[1:], attributes=index.attributes,
        private=config.private,
        utility=tuple(name for name in config.utility if name not in config.private),
        people=dict(people), records=dict(people), digest=digest_of(everybody),
    )  # fmt: skip
    return schema, parts


def audited(
    schema: Schema, parts: dict[str, Records], model: Model, config: AuditConfig, cores: int
) -> AuditReport:
    """From plan to verdict."""
    trained, train, select, test = (parts[split] for split in SPLITS)
    evidence = Evidence(schema, train, select, test, {"released": model}, trained)
    plan = make_plan(config, evidence, "draw more people")
    again = Digests.of(evidence)
    # No ledger: nobody's people were looked at.
    executor = RayExecutor() if cores > 1 else InProcess()
    found = run(plan, evidence, executor, MOST_SECONDS, lambda: again, Ledger(None))
    return found.report


def timeless(report: AuditReport) -> str:
    """`audit.json` without what a clock says."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(each) for key, each in value.items() if key != "seconds"}
        return [without(each) for each in value] if isinstance(value, list | tuple) else value

    return json.dumps(without(asdict(report)))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of this version of the suite."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["suite"] == SUITE_VERSION]


def lines(rows: list[dict[str, str]]) -> Iterator[str]:
    """The table."""
    yield "| control | wanted | found | at least, with 95 % | rates |"
    yield "|---|---|---|---|---|"
    for control, verdict in WANTED.items():
        of = [row for row in rows if row["control"] == control]
        if of:
            right = sum(row["verdict"] == verdict for row in of)
            counts = Counter(row["verdict"] for row in of)
            found = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
            rates = [float(row["value"]) for row in of]
            least = 100 * lower_bound(right, len(of))
            yield (
                f"| {control} | {verdict} | {found} of {len(of)} | {least:.0f} % |"
                f" {min(rates):.3f} to {max(rates):.3f} |"
            )
    twice = [row for row in rows if row["same"]]
    if twice:
        same = sum(row["same"] == "True" for row in twice)
        yield (
            f"| the same plan again | the same `audit.json` but for `seconds` |"
            f" {same} of {len(twice)} | | |"
        )
    for row in rows:
        if row["control"] == "large":
            minutes = float(row["seconds"]) / 60
            yield (
                f"| {sum(LARGE.values()) - LARGE['extractor-train']:,} people x {WIDTH:,} features,"
                f" everything | 20 minutes | {minutes:.1f} minutes on {row['cores']} cores | |"
                f" {float(row['value']):.3f} |"
            )


def _unprotected(schema: Schema, records: Records, seed: int) -> OwnModel:
    """The exported bytes of an extractor that hides nothing."""
    network = Unprotected().fit(FitInputs(records=records, schema=schema, config=SHORT, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "extractor.onnx"
        export(network, path, ExportConfig())
        return OwnModel(path.read_bytes())


def _row(control: str, seed: int, report: AuditReport, cores: int, same: str) -> dict[str, Any]:
    (attribute,) = report.attributes.values()
    strongest = attribute.strongest
    if strongest is None:
        raise RuntimeError(f"{control}, seed {seed}: {report.reasons}")
    return {
        "control": control, "seed": seed, "suite": report.suite_version,
        "verdict": report.verdict, "attack": strongest.attack,
        "value": f"{strongest.balanced_accuracy:.5f}", "low": f"{strongest.low:.5f}",
        "high": f"{strongest.high:.5f}", "people": strongest.people, "same": same,
        "cores": cores, "seconds": f"{report.seconds:.1f}",
    }  # fmt: skip


def _add(out: Path, row: dict[str, Any]) -> None:
    append(out, COLUMNS, row)
    Console(stderr=True).print(" ".join(f"{key}={value}" for key, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
