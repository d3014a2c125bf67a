"""Figures that alarm have a sentence: of each kind one, and only where a guess is surely beaten."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.audit_samples import image_audit
from tiprdc.formats.audit_report import parse_audit
from tiprdc.reports.measure_wording import alarms


def sentences(family: str, *measures: dict[str, Any]) -> list[str]:
    audit = {**image_audit(), "measures": {family: list(measures)}}
    return list(alarms(parse_audit(audit, "audit.json")))


def figure(name: str, value: float, baseline: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "about": "", "representation": "released", "value": value,
        "low": value - 0.02, "high": value + 0.02, "baseline": baseline, "people": 300, **changes,
    }  # fmt: skip


SUREST = "accuracy among the 5% of whom the attacker is most sure"


@pytest.mark.parametrize(
    ("family", "name", "value", "baseline", "words"),
    [
        ("worst_people", SUREST, 0.875, 0.5, "among the 5 % of whom"),
        ("reconstruction", "true record found among 100", 0.6, 0.01, "picks the true one for 60.0"),
        ("linkability", "rank 1 among 300 people", 0.2, 1 / 300, "nearest for 20.0 %"),
        ("membership", "AUC of membership", 0.63, 0.5, "is 63.0 %"),
    ],
)
def test_figure_above_a_guess_has_a_sentence_with_bounds_and_guess(
    family: str, name: str, value: float, baseline: float, words: str
) -> None:
    (sentence,) = sentences(family, figure(name, value, baseline))
    assert words in sentence
    assert f"(bounds {100 * value - 2:.1f} to {100 * value + 2:.1f} %; a guess gets" in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.49}, {"low": None, "high": None}, {"baseline": None},
        {"representation": "raw"}, {"representation": "unprotected"},
    ],
)  # fmt: skip
def test_figure_that_proves_nothing_has_none(changes: dict[str, Any]) -> None:
    assert not sentences("worst_people", figure(SUREST, 0.7, 0.5) | changes)


def test_one_sentence_an_attribute_about_its_worst_figure() -> None:
    figures = [
        figure(SUREST, 0.7, 0.5, about="sex"),
        figure(SUREST.replace("5%", "1%"), 0.9, 0.5, about="sex"),
        figure("glasses: some", 0.95, 0.5, about="sex"),
        figure(SUREST, 0.8, 0.5, about="age"),
    ]
    first, second = sentences("worst_people", *figures)
    assert "among the 1 %" in first
    assert "age is guessed right for 80.0 %" in second
