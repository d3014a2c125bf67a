r"""Fronts of what features hide and what they keep: a release beside its trivial alternatives.

    python -m benchmarks.frontier --shards artifacts/shards --private skin_tone --out fronts
    python -m benchmarks.frontier --shards artifacts/shards --private skin_tone --out fronts \
        --release artifacts/release --method pca --noise 0 --noise 1
    python -m benchmarks.frontier --audits reports --out fronts
    python -m benchmarks.frontier --comparison benchmarks/comparison/table/results.csv --out fronts

Writes points.csv, ceilings.csv, table.md and one SVG a data set into the folder, and prints for
each method the point that keeps most while the attack stays below each limit. Points in the CSV
are not computed again, so a stopped run resumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.frontier import points as stored
from benchmarks.frontier.compute import Result, alternatives, ceilings, noisy_points, released
from benchmarks.frontier.people import Population, load
from benchmarks.frontier.plot import draw
from benchmarks.frontier.points import Point
from benchmarks.frontier.sources import audited, compared
from benchmarks.frontier.tables import ceiling_rows, markdown, write
from benchmarks.outputs import writable_folder
from pipelines.observability.progress import run
from tiprdc.attacks.suite import attack_named
from tiprdc.errors import ConfigError
from tiprdc.models.linear_noise import LINEAR_METHODS, LinearMethod

WIDTHS, NOISES = (24, 64, 128, 256), (0.0, 0.3, 0.6, 1.0, 2.0, 4.0)


def main(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the CSV, the table and the pictures.", callback=writable_folder
        ),
    ],
    shards: Annotated[
        Path | None,
        typer.Option(help="Shards of `prepare`, on which alternatives and releases are computed."),
    ] = None,
    private: Annotated[
        str,
        typer.Option(help="Attribute of the shards to hide; every other one is a task."),
    ] = "",
    name: Annotated[
        str | None, typer.Option(help="Name of the data set in tables; default: its reader's.")
    ] = None,
    release: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a release, whose extractor.onnx is attacked; repeatable."),
    ] = None,
    audits: Annotated[
        Path | None, typer.Option(help="Folder with audit.json files: each is a point.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(help="results.csv of benchmarks.comparison.table.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(LINEAR_METHODS)} or none; repeatable, default all."),
    ] = None,
    width: Annotated[list[int] | None, typer.Option(help="Numbers of features.")] = None,
    noise: Annotated[
        list[float] | None, typer.Option(help="Noise in standard deviations of the features.")
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="An attack of the suite on features; the best on attacker-select counts. Default: "
            "ridge. residual finds more and takes ten times as long."
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option(help="Most records that features and attackers learn from.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of components, noise and attacks.")] = 0,
) -> None:
    """Compute or read points, write and print the fronts of all that are stored."""
    path = out / "points.csv"
    known = {point.key: point for point in stored.read(path)}
    if not known and shards is None and audits is None and comparison is None:
        raise ConfigError(
            "benchmarks.frontier", f"no source of points, and none in {path}",
            "--shards with --private, --audits or --comparison",
        )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    for points in (audited(audits) if audits else (), compared(comparison) if comparison else ()):
        known |= {point.key: point for point in points}
    if shards is not None:
        methods = tuple(_method(one) for one in method or LINEAR_METHODS if one != "none")
        attacks = tuple(attack or ("ridge",))
        for one in attacks:
            attack_named(one, "--attack")
        people = load(shards, private, most, seed, name)
        told = ceilings(people, seed)
        ceiling_rows(out / "ceilings.csv", people, told)
        grid = tuple(width or WIDTHS), tuple(noise or NOISES)
        for point in _points(people, told, methods, grid, release or [], attacks, seed, set(known)):
            known[point.key] = point
            write(path, known.values())
            typer.echo(f"{point}: attack {point.hidden:.3f}, kept {point.kept:.3f}", err=True)
    write(path, known.values())
    groups = stored.groups(list(known.values()))
    text = markdown(groups)
    (out / "table.md").write_text(text, encoding="utf-8")
    for (dataset, attribute), group in groups.items():
        (out / f"{dataset}-{attribute}.svg").write_text(draw(group), encoding="utf-8")
    Console().print(Markdown(text))


def _points(
    people: Population,
    told: dict[str, Result],
    methods: tuple[LinearMethod, ...],
    grid: tuple[tuple[int, ...], tuple[float, ...]],
    releases: list[Path],
    attacks: tuple[str, ...],
    seed: int,
    known: set[tuple[str, ...]],
) -> Iterator[Point]:
    widths, noises = grid
    for folder in releases:
        clean = released(people, folder / "extractor.onnx")
        yield from noisy_points(
            people, told, clean, f"release {folder.name}", noises, attacks, seed, known
        )
    yield from alternatives(people, told, methods, widths, noises, attacks, seed, known)


def _method(name: str) -> LinearMethod:
    for known in LINEAR_METHODS:
        if name == known:
            return known
    raise ConfigError("--method", name, f"one of {', '.join(LINEAR_METHODS)}, none")


if __name__ == "__main__":
    run(lambda: typer.run(main))
