"""Draws fronts as one SVG file: hidden across, kept upward, a line a method, bars for bounds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.frontier.points import Point, front

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 400, 60, 50
_COLOURS = ("#00628f", "#b34a00", "#7a6a9c", "#1c6b47", "#b3261e", "#5b5f68")


def draw(points: Sequence[Point]) -> str:
    """The fronts of one data set and private attribute."""
    methods = list(dict.fromkeys(point.method for point in points))
    lines = [_axes(points[0])]
    for number, method in enumerate(methods):
        colour = _COLOURS[number % len(_COLOURS)]
        best = front(point for point in points if point.method == method)
        path = " ".join(f"{_x(p.hidden):.1f},{_y(p.kept):.1f}" for p in best)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [_mark(point, colour) for point in best]
        lines.append(
            f'<text x="{_WIDTH - 10}" y="{_HEIGHT - _BOTTOM - 14 * (len(methods) - number)}"'
            f' fill="{colour}" text-anchor="end">{escape(method)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' font-family="sans-serif" font-size="12">{"".join(lines)}</svg>\n'
    )


def _x(hidden: float) -> float:
    return _LEFT + (hidden - 0.4) / 0.6 * (_WIDTH - _LEFT - 20)


def _y(kept: float) -> float:
    return (_HEIGHT - _BOTTOM) * (1 - max(0.0, min(1.05, kept)) / 1.05) + 10


def _mark(point: Point, colour: str) -> str:
    x, y = _x(point.hidden), _y(point.kept)
    low, high = _x(point.hidden_low), _x(point.hidden_high)
    down, up = _y(point.kept_low), _y(point.kept_high)
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{escape(str(point))}'
        f"</title></circle>"
        f'<path d="M{low:.1f} {y:.1f}H{high:.1f}M{x:.1f} {down:.1f}V{up:.1f}" stroke="{colour}"/>'
    )


def _axes(one: Point) -> str:
    title = f"{one.dataset}: {one.private} hidden, everything else kept"
    ticks = "".join(
        f'<text x="{_x(rate / 100):.1f}" y="{_HEIGHT - 25}" text-anchor="middle">{rate} %</text>'
        for rate in range(40, 101, 10)
    ) + "".join(
        f'<text x="{_LEFT - 6}" y="{_y(share / 100):.1f}" text-anchor="end">{share} %</text>'
        f'<path d="M{_LEFT} {_y(share / 100):.1f}H{_WIDTH - 20}" stroke="#ddd"/>'
        for share in range(0, 101, 20)
    )
    return (
        f'<text x="{_LEFT}" y="14">{escape(title)}</text>{ticks}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">balanced accuracy of the'
        " attack (left hides more)</text>"
    )
