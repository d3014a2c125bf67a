"""Learning curves whose value at ten times the people is known: do the bounds hold there?

    python -m benchmarks.auditor.curves --simulations 6 --adult FOLDER      draws curves
    python -m benchmarks.auditor.curves --faces FACES.npz --release Z.npy   of 100,000 faces
    python -m benchmarks.auditor.curves --table                             prints the table

Each row of curves.csv is a curve: the people, the counts of test people by pattern of who was right
at which number (the first number is the last binary digit), and the accuracy at ten times the
people, on other people. The table extrapolates these counts anew, so that a change of the method
needs no new curve. Curves of part `choose` served to choose the method's constants; those of
`check` did not. The accuracy at the end is an estimate, too, from about 11,000 people for real
data; an estimate below that of guessing counts as guessing.
"""

from __future__ import annotations

import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.auditor.curve_baseline import power_law_bounds
from benchmarks.auditor.curve_data import adult, faces, products
from benchmarks.auditor.curve_sources import Curve, simulated
from benchmarks.csv_rows import append
from benchmarks.outputs import writable_file
from tiprdc.statistics.binomial import prior
from tiprdc.statistics.learning_curve import Extrapolation, extrapolate

CSV = Path(__file__).parent / "curves.csv"
COLUMNS = ("kind", "part", "name", "features", "attacker", "classes", "people", "patterns",
           "target", "accuracy")  # fmt: skip
SIMULATED = (500, 1000, 2000, 4000, 40_000)


def pattern_counts(correct: NDArray[np.bool_]) -> list[int]:
    """Test people by pattern `[2^P]` of decisions `[P, N]`."""
    number = (correct * 2 ** np.arange(len(correct))[:, None]).sum(0)
    return [int(count) for count in np.bincount(number, minlength=2 ** len(correct))]


def decisions(patterns: list[int]) -> list[NDArray[np.bool_]]:
    """Decisions with these counts of patterns, people in order of their pattern."""
    number = np.repeat(np.arange(len(patterns)), patterns)
    points = len(patterns).bit_length() - 1
    return [number >> point & 1 == 1 for point in range(points)]


def row_of(curve: Curve) -> dict[str, object]:
    """The row of a curve; its last number of people is what the others are extrapolated to."""
    return {
        "kind": curve.kind, "part": part_of(curve), "name": curve.name,
        "features": curve.features, "attacker": curve.attacker, "classes": curve.classes,
        "people": " ".join(map(str, curve.people[:-1])),
        "patterns": " ".join(map(str, pattern_counts(curve.correct[:-1]))),
        "target": curve.people[-1], "accuracy": f"{curve.accuracy[-1]:.5f}",
    }  # fmt: skip


def part_of(curve: Curve) -> str:
    """`choose` or `check`, the same for all curves of an attribute."""
    return ("choose", "check")[zlib.crc32(f"{curve.kind} {curve.name}".encode()) % 2]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A curve of the CSV, extrapolated."""

    kind: str
    part: str
    found: Extrapolation
    last: float
    truth: float
    power_law: tuple[float, float]


def cases(rows: list[dict[str, str]]) -> Iterator[Case]:
    """Extrapolate every curve."""
    for row in rows:
        patterns, people = ([int(n) for n in row[name].split()] for name in ("patterns", "people"))
        correct, target, guess = decisions(patterns), int(row["target"]), prior(int(row["classes"]))
        found = extrapolate(people, correct, target, prior=guess, limit=0.6)
        power_law = power_law_bounds(people, patterns, target, prior=guess)
        yield Case(
            kind=row["kind"], part=row["part"], found=found, last=float(correct[-1].mean()),
            truth=max(guess, float(row["accuracy"])), power_law=power_law,
        )  # fmt: skip


def table(all_cases: list[Case]) -> Iterator[str]:
    """Coverage by kind of curve, and how wide the bounds are."""
    yield (
        "| curves | part | number | within both bounds | at most the upper bound | mean width |"
        " upper bound above the truth by | a - b n^-c: within | at most the upper | width |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in all_cases:
        change = case.truth - case.last
        shape = "rise by 2 points or more" if change >= 0.02 else "flat"
        for kind in (case.kind, "all"):
            for shapes in (shape, "all"):
                groups[f"{kind}: {shapes}", case.part].append(case)
    for (name, part), group in sorted(groups.items()):
        bounds = np.array([(c.found.low, c.found.high, *c.power_law, c.truth) for c in group])
        low, high, low_law, high_law, truth = bounds.T
        yield (
            f"| {name} | {part} | {len(group):,} | {_coverage(low, high, truth)} |"
            f" {100 * np.mean(high - truth):.1f} points | {_coverage(low_law, high_law, truth)} |"
        )


def _coverage(
    low: NDArray[np.float64], high: NDArray[np.float64], truth: NDArray[np.float64]
) -> str:
    return (
        f"{100 * np.mean((low <= truth) & (truth <= high)):.1f} % |"
        f" {100 * np.mean(truth <= high):.1f} % | {100 * np.mean(high - low):.1f} points"
    )


def read(path: Path) -> list[dict[str, str]]:
    """Rows of the CSV."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def main(
    faces_file: Annotated[
        Path | None, typer.Option("--faces", help="npz of 100,000 faces.")
    ] = None,
    adult_folder: Annotated[Path | None, typer.Option("--adult", help="Folder of Adult.")] = None,
    release: Annotated[
        Path | None, typer.Option(help="npy of a release's features of these faces.")
    ] = None,
    simulations: Annotated[int, typer.Option(help="Number of runs of 72 simulated curves.")] = 0,
    only_table: Annotated[bool, typer.Option("--table", help="Only print the table.")] = False,
    out: Annotated[
        Path, typer.Option(help="CSV file to extend or to read.", callback=writable_file)
    ] = CSV,
) -> None:
    """Draw curves, or print the table of those there are."""
    if only_table:
        for line in table(list(cases(read(out)))):
            typer.echo(line)
        return
    for seed in range(simulations):
        for curve in chain(simulated(seed, SIMULATED, 4000), products(seed)):
            append(out, COLUMNS, row_of(curve))
    sources = (
        adult(adult_folder) if adult_folder else (),
        faces(faces_file, release) if faces_file else (),
    )
    for curve in chain(*sources):
        append(out, COLUMNS, row_of(curve))


if __name__ == "__main__":
    typer.run(main)
