"""What the audit's page draws: positions on an axis, rows of a chart, lines and pictures.

Numbers in, SVG lengths and data URIs out; the templates decide how they look.
"""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tiprdc.errors import DataError
from tiprdc.formats.audit_report import REPRESENTATIONS, Estimate, PrivateAttribute, Task
from tiprdc.reports.wording import MINUS

PEOPLE_SHOWN = 8
"""How many people's pictures fit beside one another."""

PICTURES = {
    "record": "Record",
    "unprotected": "Rebuilt from unprotected features",
    "released": "Rebuilt from this release",
}
CURVES = {
    "mutual_information": "Objective of the critic: more means that more is kept. A training"
    " signal, not a number of nats.",
    "adversary": "Cross-entropy of the adversary that is trained along, in nats.",
    "certainty": "How sure the trained adversary is of its guess, 0 to 1.",
    "reconstructed": "Share of the record that the reconstruction adversary rebuilds.",
    "explained_variance": "Share of the private attribute that the closed-form adversary explains"
    " on held-out records of the batch.",
    "chance": "What it would explain of shuffled labels: where nothing shows, both are alike.",
    "multiplier": "How hard training presses, as the budget has steered it: 1 at the start.",
    "kl": "What the bottleneck's price is of: z tells no more nats of a record, on average over"
    " the people it is trained on.",
    "club_": "Nats of the attribute that a small classifier on the side finds (CLUB), in people"
    " whom the extractor was trained on. A diagnostic: only the attacks above judge.",
    "total": "The sum that is differentiated.",
}
"""Column of `training.csv` -> its meaning; `club_` is followed by the name of an attribute."""


@dataclass(frozen=True)
class Scale:
    """Positions on a horizontal axis of balanced accuracy, from `low` to 1."""

    low: float

    def at(self, rate: float) -> str:
        """Where a rate lies, as an SVG length."""
        return f"{100 * (rate - self.low) / (1 - self.low):.2f}%"

    def span(self, low: float, high: float) -> str:
        """How wide the stretch between two rates is, as an SVG length."""
        return f"{100 * (high - low) / (1 - self.low):.2f}%"

    @property
    def ticks(self) -> list[float]:
        """Every fifth of the axis where it is long, every twentieth where it is short."""
        step = 0.2 if self.low < 0.35 else 0.1 if self.low < 0.75 else 0.05
        return [n * step for n in range(math.ceil(self.low / step - 1e-9), round(1 / step) + 1)]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One row of a private attribute's chart."""

    kind: str
    label: str
    rate: float
    low: float | None = None
    high: float | None = None
    attack: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Best result on attacker-select of one attack on one representation, over `seeds` seeds."""

    best: float | None
    weight: float
    seeds: int
    failed: int
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One named loss: for each run the points of a line in a 100 by 40 box, and its two ends."""

    name: str
    meaning: str
    low: str
    high: str
    epochs: tuple[str, str]
    lines: dict[str, str]
    said: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """The curves of all runs, and how long they took together, in seconds."""

    curves: tuple[Curve, ...] = ()
    seconds: float = 0.0


def attribute_scale(attribute: PrivateAttribute) -> Scale:
    """An axis that shows everything measured about an attribute, down to a whole tenth."""
    return _scale([mark.rate if mark.low is None else mark.low for mark in marks(attribute)])


def task_scale(tasks: Sequence[Task]) -> Scale:
    """One axis for all unseen tasks, so that they can be compared."""
    estimates = [e for t in tasks for e in (t.released, t.unprotected, t.ceiling) if e]
    return _scale([e.low for e in estimates])


def _scale(rates: Sequence[float]) -> Scale:
    lowest = min(rates, default=0.5)
    return Scale(min(0.9, max(0.0, math.floor((lowest - 0.02) * 10) / 10)))


def marks(attribute: PrivateAttribute) -> list[Mark]:
    """The rows of an attribute's chart: what to compare with, then what was measured."""
    rows = [Mark(kind="prior", label="A guess without the features (prior)", rate=attribute.prior)]
    if attribute.floor is not None:
        label = "A guess from the utility labels alone (label floor)"
        rows.append(Mark(kind="floor", label=label, rate=attribute.floor))
    rows.append(Mark(kind="limit", label="Limit of the policy", rate=attribute.limit))
    measured = [
        ("released", "Strongest attack on this release", attribute.strongest),
        ("unprotected", "Strongest on unprotected features", attribute.controls.get("unprotected")),
        ("raw", "Strongest on the raw record (ceiling)", attribute.controls.get("raw")),
        ("shuffled", "Control: shuffled labels", attribute.controls.get("shuffled")),
    ]
    rows += [_mark(kind, label, estimate) for kind, label, estimate in measured if estimate]
    return rows


def _mark(kind: str, label: str, estimate: Estimate) -> Mark:
    return Mark(
        kind=kind,
        label=label,
        rate=estimate.balanced_accuracy,
        low=estimate.low,
        high=estimate.high,
        attack=estimate.attack,
    )


def attack_table(attribute: PrivateAttribute) -> dict[str, dict[str, Cell]]:
    """attack -> representation -> what the attack reached on attacker-select."""
    chosen = {name: estimate.attack for name, estimate in attribute.controls.items()}
    if attribute.strongest:
        chosen["released"] = attribute.strongest.attack
    table: dict[str, dict[str, Cell]] = {}
    for attack in dict.fromkeys(run.attack for run in attribute.attacks):
        table[attack] = {}
        for representation in REPRESENTATIONS:
            runs = [
                run
                for run in attribute.attacks
                if (run.attack, run.representation) == (attack, representation)
            ]
            rates = [run.select for run in runs if run.status == "ok" and run.select is not None]
            if runs:
                table[attack][representation] = Cell(
                    best=max(rates, default=None),
                    weight=_weight(max(rates, default=0.0), attribute.prior),
                    seeds=len(runs),
                    failed=len(runs) - len(rates),
                    chosen=chosen.get(representation) == attack,
                )
    return table


def _weight(rate: float, prior: float) -> float:
    """The share of the possible advantage, 0 to 1, that colours a cell."""
    return round(min(1.0, max(0.0, (rate - prior) / (1 - prior))), 3)


def read_training(path: Path) -> Training:
    """The named losses of `training.csv` as lines; none if there is no such file.

    Raises:
        DataError: The file is not a table with the columns run and epoch.
    """
    if not path.exists():
        return Training()
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"run", "epoch"} <= set(rows[0]):
        raise DataError(str(path), "not a table of training", "columns run, epoch and losses")
    names = [name for name in rows[0] if name not in ("run", "epoch", "step", "seconds")]
    found = [_curve(name, _points(rows, name)) for name in names]
    seconds = [value for line in _points(rows, "seconds").values() for _, value in line]
    return Training(curves=tuple(curve for curve in found if curve), seconds=sum(seconds))


def _points(rows: Sequence[Mapping[str, str]], name: str) -> dict[str, list[tuple[float, float]]]:
    """run -> [(epoch, value)], finite values only; a player that a run lacks logs zeros."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        try:
            epoch, value = float(row["epoch"]), float(row[name])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(epoch) and math.isfinite(value):
            points.setdefault(row["run"], []).append((epoch, value))
    return {run: line for run, line in points.items() if any(value for _, value in line)}


def _curve(name: str, points: Mapping[str, Sequence[tuple[float, float]]]) -> Curve | None:
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
    said = "; ".join(
        f"{run}: from {_short(line[0][1])} to {_short(line[-1][1])}" for run, line in points.items()
    )
    return Curve(
        name=name,
        meaning=CURVES.get("club_" if name.startswith("club_") else name, ""),
        low=_short(low),
        high=_short(high),
        epochs=(f"{first:g}", f"{last:g}"),
        lines=lines,
        said=said,
    )


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)


def read_pictures(path: Path) -> dict[str, list[str]]:
    """`pictures.npz` as PNG data URIs, by kind; none if there is no such file.

    Raises:
        DataError: An array is not uint8 `[N, C, H, W]` with 1 or 3 channels.
    """
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {kind: arrays[kind][:PEOPLE_SHOWN] for kind in PICTURES if kind in arrays}
    except (OSError, ValueError) as error:
        raise DataError(str(path), "cannot be read as pictures", "an .npz of arrays") from error
    for kind, array in found.items():
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3):
            given = f"{kind} is {array.dtype} {list(array.shape)}"
            raise DataError(str(path), given, "uint8 [N, 1 or 3, H, W]")
    return {kind: [_data_uri(picture) for picture in array] for kind, array in found.items()}


def _data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture `[C, H, W]` as a PNG data URI."""
    pixels = picture.transpose(1, 2, 0)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
