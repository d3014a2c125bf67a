"""Replications: many whole audits of leaks of known size measure the auditor's error rates.

    python -m benchmarks.auditor.replications [--minutes 30] [--only detection]
    python -m benchmarks.auditor.replications --table     tables of docs/auditor.md

Each row is one audit from plan to verdict, by `tiprdc.audit` (tiprdc/selftest/small_audit.py), of
newly drawn people. Existing rows are not computed again, so a stopped run resumes where it ended.
Rows of another version of the suite do not count. The experiments take turns, so that each has
replications whenever the run is stopped.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.auditor.tables import write_table
from benchmarks.csv_rows import append
from benchmarks.outputs import writable_file
from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.policy import PolicyConfig
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import FAST_ATTACKS, AuditSetup, audit_fixture

HERE = Path(__file__).parent
COLUMNS = (
    "experiment", "fixture", "accuracy", "bayes", "train", "select", "test", "seed", "suite",
    "verdict", "attack", "correct", "people", "low", "high", "seconds",
)  # fmt: skip
FAST = (*(name for name in FAST_ATTACKS["flat"] if name != "kernel"), "ridge")
FASTEST = ("logistic_regression", "quadratic", "moments", "gradient_boosting", "ridge")
EVERY = (*FAST_ATTACKS["flat"], "mlp", "ridge", "residual", "recursive_features")
"""The suite on features."""
POLICY = PolicyConfig(margin=0.10, min_people=20)
SMALL = AuditSetup(
    train=400, select=200, test=400, attacks=(*FAST_ATTACKS["flat"], "ridge"), policy=POLICY
)
MIDDLE = AuditSetup(train=2000, select=500, test=1000, attacks=FAST, policy=POLICY)
LARGE = AuditSetup(train=20_000, select=5000, test=20_000, attacks=EVERY, policy=POLICY)
SHAPED = AuditSetup(train=5000, select=1000, test=5000, policy=POLICY)
WEAK = AuditSetup(train=20_000, select=5000, test=2000, attacks=FAST, policy=POLICY)
FAINT = AuditSetup(train=20_000, select=10_000, test=10_000, attacks=FASTEST, policy=POLICY)
THIN = AuditSetup(train=4000, select=1000, test=2000, attacks=EVERY, policy=POLICY)
FEW = replace(THIN, train=1000, select=500, test=1000)
LEAKS = ("linear", "xor", "norm", "cluster")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Audits that differ only in the people.

    Args:
        name: Name of the experiment.
        fixture: The planted leak.
        accuracy: Its Bayes balanced accuracy (for `erased`: before erasure).
        setup: Numbers of people, attacks and policy.
        replications: Number of audits.
        turn: Audits in each round.
    """

    name: str
    fixture: str
    accuracy: float
    setup: AuditSetup
    replications: int
    turn: int = 1


def experiments() -> Iterator[Experiment]:
    """All experiments."""
    for fixture in ("thin", "spread"):
        yield Experiment(
            name="verdicts", fixture=fixture, accuracy=0.8, setup=THIN, replications=20
        )
    for setup in (FEW, THIN):
        yield Experiment(
            name="verdicts", fixture="independent", accuracy=0.5, setup=setup, replications=10
        )
    yield Experiment(
        name="false alarm", fixture="independent", accuracy=0.5, setup=SMALL,
        replications=500, turn=25,
    )  # fmt: skip
    yield Experiment(
        name="false alarm", fixture="erased", accuracy=0.8, setup=SMALL, replications=200, turn=10
    )
    for fixture in ("plain", "linear"):
        yield Experiment(
            name="false PASS", fixture=fixture, accuracy=0.6, setup=MIDDLE,
            replications=100, turn=5,
        )  # fmt: skip
    for fixture in (*LEAKS, "parity", "ring"):
        yield Experiment(
            name="detection", fixture=fixture, accuracy=0.55, setup=WEAK, replications=20
        )
    for train in (20_000, 100_000):
        for fixture in LEAKS:
            yield Experiment(
                name="detection", fixture=fixture, accuracy=0.52,
                setup=replace(FAINT, train=train), replications=20,
            )  # fmt: skip
    for fixture in ("plain", *LEAKS, "parity", "ring", "digit", "thin", "spread"):
        yield Experiment(
            name="recovered", fixture=fixture, accuracy=0.8, setup=LARGE, replications=2
        )
    for fixture in ("pattern", "order"):
        yield Experiment(
            name="recovered", fixture=fixture, accuracy=0.8, setup=SHAPED, replications=2
        )
    for accuracy in (0.505, 0.515):
        yield Experiment(
            name="exposed", fixture="exposed", accuracy=accuracy,
            setup=replace(FAINT, attacks=FAST), replications=10,
        )  # fmt: skip


def main(
    minutes: Annotated[
        float, typer.Option(help="Start no new audit after this many minutes.")
    ] = 30,
    only: Annotated[
        str, typer.Option(help="Run only experiments of these names, separated by commas.")
    ] = "",
    table: Annotated[
        bool, typer.Option("--table", help="Only write the tables of docs/auditor.md.")
    ] = False,
    out: Annotated[
        Path,
        typer.Option(help="CSV file to extend.", callback=writable_file),
    ] = HERE / "replications.csv",
) -> None:
    """Extend the CSV, or write the tables."""
    if table:
        write_table(read(out), HERE.parents[1] / "docs" / "auditor.md")
        return
    torch.set_num_threads(1)
    selected = [e for e in experiments() if only == "" or e.name in only.split(",")]
    existing, end = {_key(row) for row in read(out)}, time.monotonic() + 60 * minutes
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        tasks = {e: bar.add_task(_label(e), total=e.replications) for e in selected}
        for experiment, seed in _in_turns(selected):
            if _key(_head(experiment, seed)) not in existing:
                if time.monotonic() > end:
                    break
                append(out, COLUMNS, _replicate(experiment, seed))
            bar.advance(tasks[experiment])


def read(path: Path) -> list[dict[str, str]]:
    """The rows of this version of the suite."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["suite"] == SUITE_VERSION]


def _in_turns(selected: list[Experiment]) -> Iterator[tuple[Experiment, int]]:
    rounds = max(-(-e.replications // e.turn) for e in selected)
    for number in range(rounds):
        for experiment in selected:
            first = number * experiment.turn
            for seed in range(first, min(first + experiment.turn, experiment.replications)):
                yield experiment, seed


def _replicate(experiment: Experiment, seed: int) -> dict[str, str]:
    start, fixture = time.monotonic(), FIXTURES[experiment.fixture]
    result = audit_fixture(fixture, experiment.accuracy, experiment.setup, seed)
    strongest = result.report.strongest
    if strongest is None:
        raise RuntimeError(f"{experiment}: {result.reasons}")
    return {
        **_head(experiment, seed),
        "bayes": f"{fixture.bayes(experiment.accuracy):.5f}",
        "verdict": result.verdict,
        "attack": strongest.attack,
        "correct": str(strongest.correct),
        "people": str(strongest.people),
        "low": f"{strongest.low:.5f}",
        "high": f"{strongest.high:.5f}",
        "seconds": f"{time.monotonic() - start:.1f}",
    }


def _head(experiment: Experiment, seed: int) -> dict[str, str]:
    setup = experiment.setup
    return {
        "experiment": experiment.name, "fixture": experiment.fixture,
        "accuracy": str(experiment.accuracy), "train": str(setup.train),
        "select": str(setup.select), "test": str(setup.test), "seed": str(seed),
        "suite": SUITE_VERSION,
    }  # fmt: skip


def _key(row: dict[str, str]) -> tuple[str, ...]:
    names = ("experiment", "fixture", "accuracy", "train", "select", "test", "seed")
    return tuple(row[name] for name in names)


def _label(e: Experiment) -> str:
    return f"{e.name}: {e.fixture} {e.accuracy}, {e.setup.train:,} people"


if __name__ == "__main__":
    typer.run(main)
