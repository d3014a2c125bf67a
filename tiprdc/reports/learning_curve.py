"""The picture and the table of an attribute's learning curves: numbers in; the templates draw them.

Across: people of the attacker, on a logarithmic axis up to the policy's number. Up: balanced
accuracy. Between the last measured point and the projection the picture joins what is known of the
fitted curve, its crossing of the limit and its end, by straight lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tiprdc.formats.audit_bounds import Curve, CurvePoint, Projection
from tiprdc.formats.audit_report import AttributeReport
from tiprdc.reports.axis import Axis

_STEP = 0.05
_MARGIN = 0.02


@dataclass(frozen=True)
class People:
    """Positions of numbers of people between `low` and `high`, 0 < low <= high, logarithmic."""

    low: int
    high: int

    def share(self, people: int) -> float:
        """Position of a number, 0 to 1."""
        return math.log(people / self.low) / (math.log(self.high / self.low) or 1.0)

    def at(self, people: int) -> str:
        """Position of a number as an SVG length."""
        return f"{100 * self.share(people):.2f}%"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One attack's curve.

    Args:
        curve: What it shows.
        measured, ahead: Points of its lines in a 100 by 100 box: up to the last measured one, and
            from there to the projection.
        fan: Corners of what lies between the bounds from the last measured point on.
        crossing: People at which it crosses the limit, where the picture shows that, else None.
    """

    curve: Curve
    measured: str
    ahead: str
    fan: str
    crossing: int | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An attribute's curves: both axes, and a line for each curve, the first one foremost."""

    x: People
    y: Axis
    lines: tuple[Line, ...]

    @property
    def ticks(self) -> list[int]:
        """Numbers of people to write below the picture."""
        first = self.lines[0].curve
        return [*(point.people for point in first.points), first.projection.people]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table: a number of people, and what each curve says of it."""

    people: int
    projected: bool
    cells: tuple[CurvePoint | Projection | None, ...]


def picture(attribute: AttributeReport) -> Picture:
    """The picture of an attribute that has curves."""
    curves = attribute.curves
    x = People(
        min(point.people for curve in curves for point in curve.points),
        max(curve.projection.people for curve in curves),
    )
    y = _upright(attribute)
    return Picture(x=x, y=y, lines=tuple(_line(curve, attribute.limit, x, y) for curve in curves))


def _upright(attribute: AttributeReport) -> Axis:
    ends = [(p.low, p.high) for curve in attribute.curves for p in curve.points]
    ends += [(curve.projection.low, curve.projection.high) for curve in attribute.curves]
    low = min(attribute.prior, *(low for low, _ in ends)) - _MARGIN
    bound = attribute.certificate.bound if attribute.certificate else 0.0
    high = max(attribute.limit, bound, *(high for _, high in ends)) + _MARGIN
    low = max(0.0, math.floor(low / _STEP) * _STEP)
    return Axis(round(low, 9), round(min(1.0, math.ceil(high / _STEP) * _STEP), 9), upright=True)


def _line(curve: Curve, limit: float, x: People, y: Axis) -> Line:
    def at(people: int, rate: float) -> str:
        up = (rate - y.low) / (y.high - y.low)
        return f"{100 * x.share(people):.2f},{100 - 100 * up:.2f}"

    last, ahead = curve.points[-1], curve.projection
    crossing = curve.limit_people(limit)
    shown = crossing is not None and last.people < crossing < ahead.people
    corners = [(last.people, last.balanced_accuracy)]
    corners += [(crossing, limit)] if crossing is not None and shown else []
    corners += [(ahead.people, ahead.value)]
    fan = [(last.people, last.low), (last.people, last.high)]
    fan += [(ahead.people, ahead.high), (ahead.people, ahead.low)]
    return Line(
        curve=curve,
        measured=" ".join(at(point.people, point.balanced_accuracy) for point in curve.points),
        ahead=" ".join(at(*corner) for corner in corners),
        fan=" ".join(at(*corner) for corner in fan),
        crossing=crossing if shown else None,
    )


def table(attribute: AttributeReport) -> list[Row]:
    """Every number of people of the curves, fewest first; projections last."""
    curves = attribute.curves
    measured = [{point.people: point for point in curve.points} for curve in curves]
    projected = [{curve.projection.people: curve.projection} for curve in curves]
    return [
        Row(
            people=people,
            projected=rows is projected,
            cells=tuple(row.get(people) for row in rows),
        )
        for rows in (measured, projected)
        for people in sorted(set[int]().union(*rows))
    ]
