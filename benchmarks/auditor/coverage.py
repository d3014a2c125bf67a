"""Simulated audits of codes: how often the certificate holds, and how tight it is.

    python -m benchmarks.auditor.coverage             writes coverage.csv and prints its table
    python -m benchmarks.auditor.coverage --table     prints the table

Each audit draws the chances of the cells of each class, computes the best attacker exactly from
these, draws people and bounds the attacker from their counts. A row of the CSV is a setting.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.outputs import writable_file
from tiprdc.statistics.binomial import upper_bound
from tiprdc.statistics.certificate import code_bound

CSV = Path(__file__).parent / "coverage.csv"
DELTA = 0.05
CLASSES, CELLS, PEOPLE = (2, 5), (2, 16, 256), (400, 4000, 40_000)
LEAKS = ("none", "weak", "strong", "uneven classes")
AUDITS = 100
COLUMNS = ("leak", "classes", "cells", "people", "audits", "held", "best", "bound", "in_sample")


def cell_chances(
    leak: str, classes: int, cells: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Chance of each cell for each class `[C, K]`."""
    common = rng.dirichlet(np.ones(cells))
    if leak == "none":
        return np.tile(common, (classes, 1))
    own = rng.dirichlet(np.full(cells, 0.3), classes)
    share = 0.5 if leak == "strong" else 0.1
    return (1 - share) * common + share * own


def people_of_classes(leak: str, classes: int, people: int) -> NDArray[np.int64]:
    """Number of people of each class `[C]`; one class in two is three times as large if uneven."""
    share = np.where(np.arange(classes) % 2, 3.0, 1.0) if leak == "uneven classes" else 1.0
    share = np.broadcast_to(share, classes) / np.sum(np.broadcast_to(share, classes))
    return np.asarray(np.rint(people * share), np.int64)


def simulate(leak: str, classes: int, cells: int, people: int, audits: int) -> dict[str, object]:
    """One row of the CSV: audits, and how many had a bound not below the best attacker."""
    rng = np.random.default_rng([LEAKS.index(leak), classes, cells, people])
    sizes = people_of_classes(leak, classes, people)
    best, bound, in_sample = np.empty((3, audits))
    for audit in range(audits):
        chances = cell_chances(leak, classes, cells, rng)
        counts = np.stack([rng.multinomial(n, p) for n, p in zip(sizes, chances, strict=True)])
        found = code_bound(counts.astype(np.int64), DELTA)
        best[audit] = chances.max(0).sum() / classes
        bound[audit], in_sample[audit] = found.bound, found.in_sample
    return {
        "leak": leak, "classes": classes, "cells": cells, "people": people, "audits": audits,
        "held": int(np.sum(bound >= best - 1e-12)), "best": f"{best.mean():.4f}",
        "bound": f"{bound.mean():.4f}", "in_sample": f"{in_sample.mean():.4f}",
    }  # fmt: skip


def table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Coverage by number of classes, cells and people."""
    yield (
        "| classes | cells | people | audits | bound held | at least (95 %) | best attacker |"
        " bound above it by |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    keys = list(product(CLASSES, CELLS, PEOPLE))
    for key in keys:
        group = [r for r in rows if tuple(int(r[n]) for n in ("classes", "cells", "people")) == key]
        if group:
            classes, cells, people = key
            yield _line(f"{classes} | {cells} | {people:,}", group)
    yield _line("all | all | all", rows)


def _line(name: str, rows: list[dict[str, str]]) -> str:
    audits, held = (sum(int(row[column]) for row in rows) for column in ("audits", "held"))
    least = 1 - upper_bound(audits - held, audits)
    best, bound = (np.mean([float(row[column]) for row in rows]) for column in ("best", "bound"))
    return (
        f"| {name} | {audits:,} | {100 * held / audits:.2f} % | {100 * least:.1f} % |"
        f" {100 * best:.1f} % | {100 * (bound - best):.1f} points |"
    )


def main(
    audits: Annotated[int, typer.Option(help="Audits of each setting.")] = AUDITS,
    only_table: Annotated[bool, typer.Option("--table", help="Only print the table.")] = False,
    out: Annotated[
        Path, typer.Option(help="CSV file to write or to read.", callback=writable_file)
    ] = CSV,
) -> None:
    """Simulate audits, write the CSV and print the table."""
    if not only_table:
        with out.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for setting in product(LEAKS, CLASSES, CELLS, PEOPLE):
                writer.writerow(simulate(*setting, audits))
    with out.open(newline="") as stream:
        for line in table(list(csv.DictReader(stream))):
            typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
