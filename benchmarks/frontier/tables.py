"""CSV files of points and ceilings, and the Markdown tables of fronts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.frontier.compute import Result
from benchmarks.frontier.people import Population
from benchmarks.frontier.points import COLUMNS, Point, best_within, row

LIMITS = (0.55, 0.60, 0.65, 0.70, 0.80, 1.0)
"""Balanced accuracies of an attack between two classes that a table has a column for."""
CEILING_COLUMNS = (
    "dataset",
    "private",
    "task",
    "named",
    "prior",
    "ceiling",
    "low",
    "high",
    "probe",
)


_HEAD = (
    "# Fronts",
    "",
    "A cell has what a method keeps at most while the attack stays within the limit, then",
    "(features + noise; attack).",
    "",
)


def write(path: Path, points: Iterable[Point]) -> None:
    """Write all points, in place of the file."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(point) for point in points)


def ceiling_rows(path: Path, people: Population, told: Mapping[str, Result]) -> None:
    """Write the ceilings of one data set, beside those of others that the file has."""
    others = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as stream:
            others = [
                one for one in csv.DictReader(stream)
                if (one["dataset"], one["private"]) != (people.name, people.private)
            ]  # fmt: skip
    rows = [
        {
            "dataset": people.name, "private": people.private, "task": task,
            "named": "yes" if task in people.named else "no",
            "prior": f"{1 / people.classes[task]:.4f}", "ceiling": f"{result.test.value:.4f}",
            "low": f"{result.test.bounds[0]:.4f}", "high": f"{result.test.bounds[1]:.4f}",
            "probe": result.attack,
        }
        for task, result in told.items()
    ]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, CEILING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*others, *rows])


def markdown(groups: Mapping[tuple[str, str], list[Point]]) -> str:
    """A page with a table for each data set and private attribute.

    Each row is a method, each column a limit of the attack; a cell has what the method keeps at
    most within it, and the point that does so. A last table states each release, audit or method
    of the comparison with the trivial alternative that is attacked no better.
    """
    sections = (line for key, points in groups.items() for line in _section(*key, points))
    return "\n".join((*_HEAD, *sections))


def _section(dataset: str, private: str, points: list[Point]) -> Iterator[str]:
    counts = sorted({point.people for point in points if point.people})
    yield f"## {dataset}: `{private}` hidden"
    yield ""
    if counts:
        yield (
            f"Attackers with {' or '.join(f'{count:,}' for count in counts)} people; figures on"
            f" {max(p.test_people or 0 for p in points):,} others;"
            f" {_tasks(max(point.tasks for point in points))}."
        )
        yield ""
    yield f"| kept, % | {' | '.join(map(_limit, LIMITS))} |"
    yield "|---" * (len(LIMITS) + 1) + "|"
    for method in dict.fromkeys(point.method for point in points):
        of_method = [point for point in points if point.method == method]
        cells = [_cell(best_within(of_method, limit)) for limit in LIMITS]
        yield f"| {method} | {' | '.join(cells)} |"
    yield ""
    alternatives = [point for point in points if point.method in ("pca", "leace", "projection")]
    others = [point for point in points if point not in alternatives]
    if others and alternatives:
        yield "| | attack, % | kept, % | named tasks, % | best alternative at no stronger attack |"
        yield "|---|---|---|---|---|"
        for point in others:
            best = best_within(alternatives, point.hidden)
            beside = "none" if best is None else f"{_percent(best.kept)}: {best}"
            named = "" if point.named is None else _percent(point.named)
            yield (
                f"| {point} | {_bounded(point.hidden, point.hidden_low, point.hidden_high)} |"
                f" {_bounded(point.kept, point.kept_low, point.kept_high)} | {named} | {beside} |"
            )
        yield ""


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"


def _limit(limit: float) -> str:
    return "any attack" if limit == 1 else f"at most {100 * limit:.0f} %"


def _cell(point: Point | None) -> str:
    if point is None:
        return "-"
    noise = "" if point.noise is None else f" + {point.noise:g}"
    return f"{_percent(point.kept)} ({point.features}{noise}; {_percent(point.hidden)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _bounded(value: float, low: float, high: float) -> str:
    return f"{_percent(value)} ({_percent(low)} to {_percent(high)})"
