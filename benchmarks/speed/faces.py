"""Faces a second that the generator of avatars draws on one core.

    python -m benchmarks.speed.faces [--people 6000] [--size 32] [--json]

Reads faces as a worker of `prepare` does. The first ones also draw the layers that all faces share,
so they are measured apart. Rates are in processor time, so that other work on the machine matters
little. For an older revision, run this file with a checkout of it first on PYTHONPATH.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from benchmarks.speed.figures import show
from tiprdc.datasets.avatars.reader import AvatarsConfig, AvatarsReader

FIRST = 1000


def main(
    people: Annotated[int, typer.Option(min=2 * FIRST, help="Faces to draw.")] = 6000,
    size: Annotated[int, typer.Option(min=16, max=256, help="Height and width, pixels.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Measure, and print."""
    reader = AvatarsReader(AvatarsConfig(people=people, size=size), seed=0)
    records = reader.index().records[:people]
    fitted = reader.fit(records)
    seconds = []
    for part in (records[:FIRST], records[FIRST:]):
        start = time.process_time()
        reader.read(part, fitted)
        seconds.append(time.process_time() - start)
    figures = {
        "faces a second of a core": (people - FIRST) / seconds[1],
        f"seconds for the first {FIRST:,} faces": seconds[0],
    }
    show(figures, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
