"""Fronts of what features hide and what they keep: a release beside its trivial alternatives.

    python -m benchmarks.frontier --shards artifacts/shards --private skin_tone --out fronts
    python -m benchmarks.frontier --audits reports --out fronts

Writes points.csv and one SVG a data set, and prints for each method the point that keeps most while
the attack stays below each limit. Points that are in the CSV are not computed again.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.frontier import points as stored
from benchmarks.frontier.audits import audited
from benchmarks.frontier.compute import alternatives, ceilings
from benchmarks.frontier.people import load
from benchmarks.frontier.plot import draw
from benchmarks.frontier.points import COLUMNS, Point
from tiprdc.models.linear_noise import LinearMethod

LIMITS = (0.55, 0.60, 0.65, 0.70, 1.0)
WIDTHS, NOISES = (24, 64, 128, 256), (0.0, 0.3, 0.6, 1.0, 2.0, 4.0)


def main(
    out: Annotated[Path, typer.Option(help="Folder of points.csv and the pictures.")],
    shards: Annotated[
        Path | None, typer.Option(help="Shards of `prepare`: compute the alternatives.")
    ] = None,
    private: Annotated[str, typer.Option(help="Attribute of the shards to hide.")] = "",
    audits: Annotated[
        Path | None, typer.Option(help="Folder with audit.json files: each is a point.")
    ] = None,
    width: Annotated[list[int] | None, typer.Option(help="Numbers of features.")] = None,
    noise: Annotated[list[float] | None, typer.Option(help="Noise in deviations.")] = None,
    most: Annotated[int | None, typer.Option(help="Most records to learn from.")] = None,
    seed: Annotated[int, typer.Option(help="Of components, noise and attacks.")] = 0,
) -> None:
    """Compute points, and print and draw the fronts of all that are stored."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "points.csv"
    known = {point.key: point for point in stored.read(path)}
    for point in audited(audits) if audits else ():
        known[point.key] = point
    _write(path, known.values())
    if shards is not None:
        people = load(shards, private, most, seed)
        told = ceilings(people, seed)
        widths, noises = tuple(width or WIDTHS), tuple(noise or NOISES)
        methods = get_args(LinearMethod)
        for point in alternatives(people, told, methods, widths, noises, seed):
            known[point.key] = point
            _write(path, known.values())
            typer.echo(f"{point}: hidden {point.hidden:.3f}, kept {point.kept:.3f}", err=True)
    for (dataset, attribute), group in stored.groups(list(known.values())).items():
        Console().print(table(dataset, attribute, group))
        (out / f"{dataset}-{attribute}.svg").write_text(draw(group), encoding="utf-8")


def table(dataset: str, private: str, group: list[Point]) -> Table:
    """For each method the share kept, in %, at each limit of the attack."""
    shown = Table(
        "method", *(f"attack at most {100 * limit:.0f} %" for limit in LIMITS),
        title=f"{dataset}, {private}: kept in % (attack in %), {group[0].tasks} tasks",
    )  # fmt: skip
    for method in dict.fromkeys(point.method for point in group):
        points = [point for point in group if point.method == method]
        best = [stored.best_within(points, limit) for limit in LIMITS]
        shown.add_row(
            method,
            *("-" if one is None else f"{100 * one.kept:.1f} ({100 * one.hidden:.1f})"
              for one in best),
        )  # fmt: skip
    return shown


def _write(path: Path, points: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(stored.row(point) for point in points)  # type: ignore[attr-defined]


if __name__ == "__main__":
    typer.run(main)
