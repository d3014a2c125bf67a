"""Reads the CSV files of `reports/training/` as line charts for the audit's page."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiprdc.errors import DataError
from tiprdc.formats.numbers import MINUS

MEANINGS = {
    "mutual_information": "Objective of the critic: higher means that more is kept. A training"
    " signal, not a number of nats.",
    "adversary": "Cross-entropy of the adversary that is trained along, in nats.",
    "told": "Head: cross-entropy of the told tasks, in nats; 0 without any.",
    "kept": "Head: share of the trunk's features that a decoder, told the attribute, rebuilds.",
    "confidence": "Head: how far its adversary's guesses are from chance, in nats.",
    "certainty": "How certain the trained adversary is of its guess, 0 to 1.",
    "reconstructed": "Share of the record that the reconstruction adversary rebuilds.",
    "explained_variance": "Share of the private attribute that the closed-form adversary explains"
    " on held-out records of the batch.",
    "chance": "What the closed-form adversary would explain of shuffled labels: where nothing"
    " leaks, both curves are alike.",
    "multiplier": "Weight of the privacy term, as the budget controller set it: 1 at the start.",
    "kl": "What the bottleneck penalises: z reveals no more nats of a record than this, on average"
    " over the people it is trained on.",
    "club_": "Nats of the attribute that a small auxiliary classifier finds (CLUB), in people whom"
    " the extractor was trained on. A diagnostic: only the attacks above decide.",
    "total": "The sum that is differentiated.",
}
"""Column of these files -> its meaning; `club_` is followed by the name of an attribute."""

Points = Sequence[tuple[float, float]]
"""(epoch, value) of one run."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One named loss.

    Args:
        name, meaning: Column of these files, and its explanation or "".
        low, high: Least and greatest value, as text.
        epochs: First and last epoch, as text.
        lines: Run -> points of its line in a 100 by 40 box.
        description: Start and end of each line, for screen readers.
    """

    name: str
    meaning: str
    low: str
    high: str
    epochs: tuple[str, str]
    lines: dict[str, str]
    description: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """The curves of all runs, and the wall time of all runs together in seconds."""

    curves: tuple[Curve, ...] = ()
    seconds: float = 0.0


def read_training(folder: Path) -> Training:
    """The named losses of a folder's CSV files as lines; none if there are no files.

    Raises:
        DataError: A file is not a table with the columns run and epoch.
    """
    rows = [row for path in sorted(folder.glob("*.csv")) for row in _read_rows(path)]
    names = {name: None for row in rows for name in row}
    names = {name: None for name in names if name not in ("run", "epoch", "step", "seconds")}
    curves = [_curve(name, _points(rows, name)) for name in names]
    seconds = [value for line in _points(rows, "seconds").values() for _, value in line]
    return Training(curves=tuple(curve for curve in curves if curve), seconds=sum(seconds))


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"run", "epoch"} <= set(rows[0]):
        raise DataError(str(path), "not a table of training", "columns run, epoch and losses")
    return rows


def _points(rows: Sequence[Mapping[str, str]], name: str) -> dict[str, list[tuple[float, float]]]:
    """run -> [(epoch, value)], finite values only; a network that a run lacks logs zeros."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        try:
            epoch, value = float(row["epoch"]), float(row[name])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(epoch) and math.isfinite(value):
            points.setdefault(row["run"], []).append((epoch, value))
    return {run: line for run, line in points.items() if any(value for _, value in line)}


def _curve(name: str, points: Mapping[str, Points]) -> Curve | None:
    if not points:
        return None
    epochs = [epoch for line in points.values() for epoch, _ in line]
    values = [value for line in points.values() for _, value in line]
    first, last, low, high = min(epochs), max(epochs), min(values), max(values)
    lines = {
        run: " ".join(
            f"{100 * _share(epoch, first, last):.2f},{40 - 40 * _share(value, low, high):.2f}"
            for epoch, value in line
        )
        for run, line in points.items()
    }
    description = "; ".join(
        f"{run}: from {_short(line[0][1])} to {_short(line[-1][1])}" for run, line in points.items()
    )
    return Curve(
        name=name,
        meaning=MEANINGS.get("club_" if name.startswith("club_") else name, ""),
        low=_short(low),
        high=_short(high),
        epochs=(f"{first:g}", f"{last:g}"),
        lines=lines,
        description=description,
    )


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)
