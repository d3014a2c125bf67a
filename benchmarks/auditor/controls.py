"""Controls of whole audits: verdicts on extractors with a known answer, repeatability and time.

    python -m benchmarks.auditor.controls --seeds 20          rows for controls.csv
    python -m benchmarks.auditor.controls --seeds 0 --large   10,000 people x 1,024 features, timed
    python -m benchmarks.auditor.controls --table                  the table of docs/auditor.md

Each seed generates faces, trains an unprotected extractor on some of them and audits its exported
file on others with every attack of the suite. A second audit has constant features, the same for
everybody. Existing rows are not computed again; rows of another version of the suite do not
count.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.auditor.tables import put
from benchmarks.csv_rows import append
from benchmarks.outputs import writable_file
from pipelines.audit.ray_executor import RayExecutor
from pipelines.cluster.connect import ClusterConfig, connect
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.executor import DEFAULT_TIMEOUT, InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import Model, OwnModel
from tiprdc.audit.run import AuditResult, Digests, make_plan, run
from tiprdc.baselines.base import FitInputs, MethodsConfig
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.datasets.avatars.reader import AvatarsConfig, AvatarsReader
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
"""Every attack on the attribute, without the measures, which do not affect the verdict."""
SHORT = MethodsConfig(schedule=ScheduleConfig(epochs=4))
EXPECTED = {"unprotected": "FAIL", "constant": "PASS"}


@dataclass(frozen=True)
class FormulaModel:
    """Replaces an ONNX file: features `[N, width]` computed from records by a formula.

    Args:
        width: D.
        informative: Whether features are a random projection of the record; else they are all 0.
    """

    width: int
    informative: bool

    @property
    def sha256(self) -> str:
        """Digest of its behaviour."""
        return hashlib.sha256(f"{self.width} {self.informative}".encode()).hexdigest()

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Features `[N, width]`."""
        if not self.informative:
            return np.zeros((len(x), self.width), np.float32)
        flat = x.reshape(len(x), -1).astype(np.float32) / 255
        weights = np.random.default_rng(0).normal(size=(flat.shape[1], self.width))
        return np.maximum(flat @ weights.astype(np.float32), 0)

    def redraw(self, x: NDArray[Any], records: int) -> NDArray[np.float32]:
        """The only draw `[1, N, width]`: there is no noise."""
        return self.features(x)[None]

    def check_batches(self, x: NDArray[Any]) -> None:
        """Nothing to check: each row is computed from its record alone."""


def main(
    seeds: Annotated[int, typer.Option(help="Number of populations, with seeds from 0.")] = 20,
    large: Annotated[bool, typer.Option("--large", help="Also run the large audit.")] = False,
    cores: Annotated[int, typer.Option(help="Cores; with 1, Ray is not used.")] = 2,
    table: Annotated[
        bool, typer.Option("--table", help="Only write the table of docs/auditor.md.")
    ] = False,
    out: Annotated[
        Path,
        typer.Option(help="CSV file to extend.", callback=writable_file),
    ] = HERE / "controls.csv",
) -> None:
    """Extend the CSV, or write the table."""
    if table:
        put(HERE.parents[1] / "docs" / "auditor.md", "controls", "\n".join(lines(read(out))))
        return
    torch.set_num_threads(cores)
    existing = {(row["control"], row["seed"]) for row in read(out)}
    with connect(ClusterConfig(num_cpus=cores)) if cores > 1 else nullcontext():
        for seed in range(seeds):
            if {(name, str(seed)) for name in EXPECTED} - existing:
                for row in population(seed, SMALL, LEAN, cores):
                    _add(out, row)
        if large and ("large", "0") not in existing:
            _add(out, largest(LARGE, AuditConfig(), cores))


def population(
    seed: int, people: dict[str, int], config: AuditConfig, cores: int
) -> Iterator[dict[str, Any]]:
    """Rows of one seed: an audit of each control, repeated for the first seed."""
    schema, parts = faces(seed, people)
    models: dict[str, Model] = {
        "unprotected": _unprotected(schema, parts["extractor-train"], seed),
        "constant": FormulaModel(24, informative=False),
    }
    for control, model in models.items():
        result = audit_model(schema, parts, model, config, cores)
        repeat = audit_model(schema, parts, model, config, cores) if seed == 0 else None
        same = "" if repeat is None else str(result.report.to_json() == repeat.report.to_json())
        yield _row(control, seed, result, cores, same)


def largest(people: dict[str, int], config: AuditConfig, cores: int) -> dict[str, Any]:
    """The row of a full audit, with all measures, of many people and features."""
    schema, parts = faces(0, people)
    result = audit_model(schema, parts, FormulaModel(WIDTH, informative=True), config, cores)
    return _row("large", 0, result, cores, "")


def faces(seed: int, people: dict[str, int]) -> tuple[Schema, dict[str, Records]]:
    """Generated faces in four splits."""
    config = AvatarsConfig(people=sum(people.values()), attackers=0)
    reader = AvatarsReader(config, seed)
    index = reader.index()
    x = reader.read(index.records, reader.fit(index.records)).x
    records = Records(
        x=x,
        labels={a.name: index.records[a.name].to_numpy(np.int64) for a in index.attributes},
        person=index.records["person"].to_numpy(dtype=np.str_),
    )
    ends = np.cumsum([people[split] for split in SPLITS])
    rows = dict(zip(SPLITS, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
    parts: dict[str, Records] = {split: records.take(part) for split, part in rows.items()}
    schema = Schema(
        dataset="avatars", modality="image", shape=x.shape[1:], attributes=index.attributes,
        private=config.private,
        utility=tuple(name for name in config.utility if name not in config.private),
        people=dict(people), records=dict(people), digest=digest_of(records),
    )  # fmt: skip
    return schema, parts


def audit_model(
    schema: Schema, parts: dict[str, Records], model: Model, config: AuditConfig, cores: int
) -> AuditResult:
    """Audit a model, from plan to verdict."""
    members, train, select, test = (parts[split] for split in SPLITS)
    evidence = Evidence(schema, train, select, test, {"released": model}, members)
    plan = make_plan(config, evidence, "draw more people")
    digests = Digests.of(evidence)
    # No ledger: the people are generated.
    executor = RayExecutor() if cores > 1 else InProcess()
    return run(plan, evidence, executor, DEFAULT_TIMEOUT, lambda: digests, Ledger(None))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of this version of the suite."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["suite"] == SUITE_VERSION]


def lines(rows: list[dict[str, str]]) -> Iterator[str]:
    """The table."""
    yield "| control | expected | observed | at least, with 95 % | rates |"
    yield "|---|---|---|---|---|"
    for control, verdict in EXPECTED.items():
        these = [row for row in rows if row["control"] == control]
        if these:
            correct = sum(row["verdict"] == verdict for row in these)
            counts = Counter(row["verdict"] for row in these)
            observed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
            rates = [float(row["value"]) for row in these]
            least = 100 * lower_bound(correct, len(these))
            yield (
                f"| {control} | {verdict} | {observed} of {len(these)} | {least:.0f} % |"
                f" {min(rates):.3f} to {max(rates):.3f} |"
            )
    twice = [row for row in rows if row["same"]]
    if twice:
        same = sum(row["same"] == "True" for row in twice)
        yield (f"| the same plan again | the same `audit.json` | {same} of {len(twice)} | | |")
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


def _row(control: str, seed: int, result: AuditResult, cores: int, same: str) -> dict[str, Any]:
    report = result.report
    (attribute,) = report.attributes.values()
    strongest = attribute.strongest
    if strongest is None:
        raise RuntimeError(f"{control}, seed {seed}: {report.reasons}")
    return {
        "control": control, "seed": seed, "suite": report.suite_version,
        "verdict": report.verdict, "attack": strongest.attack,
        "value": f"{strongest.balanced_accuracy:.5f}", "low": f"{strongest.low:.5f}",
        "high": f"{strongest.high:.5f}", "people": strongest.people, "same": same,
        "cores": cores, "seconds": f"{result.seconds:.1f}",
    }  # fmt: skip


def _add(out: Path, row: dict[str, Any]) -> None:
    append(out, COLUMNS, row)
    Console(stderr=True).print(" ".join(f"{key}={value}" for key, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
