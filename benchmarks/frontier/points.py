"""Points of fronts: what a strong attacker gets, and how much of the tasks is left; their CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Point:
    """One set of features of one data set, attacked and probed.

    Args:
        dataset: Name of the data set.
        data: First digits of the digest of its shards; empty where unknown.
        private: The private attribute.
        method: How the features are made.
        features: Number of features; None where unknown.
        noise: Standard deviation of the noise, in those of the features; None where unknown.
        attack: The attack that was chosen on attacker-select.
        people: People that it was fitted on; None where unknown.
        hidden, hidden_low, hidden_high: Balanced accuracy of that attack on attacker-test, 0 to 1,
            between one-sided 95 % bounds. Lower hides more.
        prior: The best guess without features.
        kept, kept_low, kept_high: Mean over all tasks of (value - prior) / (ceiling - prior).
        tasks: Number of these tasks.
        named: The same mean over the named tasks alone; None where there are none.
        test_people: People of attacker-test.
        source: `computed`, `audit` or `comparison`.
    """

    dataset: str
    data: str
    private: str
    method: str
    features: int | None
    noise: float | None
    attack: str
    people: int | None
    hidden: float
    hidden_low: float
    hidden_high: float
    prior: float
    kept: float
    kept_low: float
    kept_high: float
    tasks: int
    named: float | None
    test_people: int | None
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """Identifies the point: a computed one is not computed again."""
        return self.key_of(
            self.dataset, self.data, self.private, self.method, self.features, self.noise
        )

    @staticmethod
    def key_of(
        dataset: str,
        data: str,
        private: str,
        method: str,
        features: int | None,
        noise: float | None,
    ) -> tuple[str, ...]:
        """The key of a point with these values."""
        return dataset, data, private, method, _text(features), _text(noise)

    def __str__(self) -> str:
        size = "" if self.features is None else f" {self.features}"
        noise = f" + noise {self.noise:g}" if self.noise else ""
        return f"{self.method}{size}{noise}"


COLUMNS = tuple(field.name for field in fields(Point))


def row(point: Point) -> dict[str, str]:
    """The point as texts of the CSV, rates with four digits."""
    return {name: _text(value) for name, value in asdict(point).items()}


def read(path: Path) -> list[Point]:
    """The points of a CSV; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [_point(cells) for cells in csv.DictReader(stream)]


def front(points: Iterable[Point]) -> list[Point]:
    """The points of which no other one keeps as much and hides more, by what attackers get."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.hidden, -one.kept)):
        if not best or point.kept > best[-1].kept:
            best.append(point)
    return best


def best_within(points: Iterable[Point], limit: float) -> Point | None:
    """The point that keeps most while attackers get at most `limit`; None if there is none."""
    within = [point for point in points if point.hidden <= limit]
    return max(within, key=lambda one: one.kept, default=None)


def groups(points: Sequence[Point]) -> dict[tuple[str, str], list[Point]]:
    """(data set, private attribute) -> its points, in order of appearance."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.dataset, point.private), []).append(point)
    return found


_INTEGERS = ("features", "people", "tasks", "test_people")
_FLOATS = (
    "noise", "hidden", "hidden_low", "hidden_high", "prior", "kept", "kept_low", "kept_high",
    "named",
)  # fmt: skip


def _point(cells: dict[str, str]) -> Point:
    values: dict[str, Any] = {name: cells[name] for name in COLUMNS}
    for names, kind in ((_INTEGERS, int), (_FLOATS, float)):
        values |= {name: kind(cells[name]) if cells[name] else None for name in names}
    return Point(**values)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
