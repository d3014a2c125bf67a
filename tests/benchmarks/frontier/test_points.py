"""Points: the CSV round trip, fronts, tables and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.frontier.plot import draw
from benchmarks.frontier.points import Point, best_within, front, groups, read
from benchmarks.frontier.tables import markdown, write

POINT = Point(
    dataset="faces", data="abc", private="skin", method="pca", features=24, noise=0.3,
    attack="ridge", people=1000, hidden=0.6, hidden_low=0.57, hidden_high=0.63, prior=0.5,
    kept=0.4, kept_low=0.36, kept_high=0.44, tasks=3, named=None, test_people=500,
    source="computed",
)  # fmt: skip


def point(hidden: float, kept: float, method: str = "pca", noise: float | None = 1.0) -> Point:
    return replace(
        POINT, method=method, noise=noise, hidden=hidden, hidden_low=hidden - 0.02,
        hidden_high=hidden + 0.02, kept=kept, kept_low=kept - 0.03, kept_high=kept + 0.03,
    )  # fmt: skip


def test_csv_holds_everything_about_a_point(tmp_path: Path) -> None:
    audit = replace(POINT, noise=None, people=None, named=0.25, source="audit")
    write(tmp_path / "points.csv", [POINT, audit])
    assert read(tmp_path / "points.csv") == [POINT, audit]
    assert read(tmp_path / "none.csv") == []


def test_key_tells_a_point_from_others() -> None:
    assert replace(POINT, hidden=0.9, attack="mlp").key == POINT.key
    for other in (replace(POINT, noise=0.6), replace(POINT, features=64), replace(POINT, data="d")):
        assert other.key != POINT.key


def test_front_has_the_points_that_no_other_one_beats() -> None:
    points = [point(0.9, 0.9), point(0.6, 0.5), point(0.7, 0.4), point(0.6, 0.3), point(0.5, 0.1)]
    assert [(p.hidden, p.kept) for p in front(points)] == [(0.5, 0.1), (0.6, 0.5), (0.9, 0.9)]


def test_best_point_within_a_limit() -> None:
    points = [point(0.9, 0.9), point(0.6, 0.5), point(0.55, 0.6)]
    assert best_within(points, 0.65) == points[2]
    assert best_within(points, 0.5) is None


def test_table_states_the_best_alternative_at_no_stronger_attack() -> None:
    points = [
        point(0.58, 0.31), point(0.64, 0.52, "leace"), point(0.9, 0.95),
        point(0.6, 0.25, "release demo", None),
    ]  # fmt: skip
    text = markdown(groups(points))
    assert "## faces: `skin` hidden" in text
    assert "Attackers with 1,000 people; figures on 500 others; 3 tasks." in text
    pca = next(line for line in text.splitlines() if line.startswith("| pca |"))
    assert pca.split(" | ")[1:3] == ["-", "31.0 (24 + 1; 58.0)"]
    assert (
        "| release demo 24 | 60.0 (58.0 to 62.0) | 25.0 (22.0 to 28.0) |  |"
        " 31.0: pca 24 + noise 1 |" in text
    )


@pytest.mark.parametrize("kept", [0.0, 1.02])
def test_picture_is_an_svg_that_names_every_method(kept: float) -> None:
    text = draw([point(0.55, kept), point(0.8, 0.9), point(0.6, 0.5, "a < b")])
    assert ET.fromstring(text).tag.endswith("svg")
    assert ">pca<" in text
    assert "a &lt; b" in text
    assert text.count("<circle") == (3 if kept < 0.9 else 2)
