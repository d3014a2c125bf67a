"""The sentences of a verdict: each states what was measured, and never more."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.helpers.audit_parts import attribute
from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import (
    bare_audit,
    image_audit,
    table_audit,
    text_audit,
)
from tiprdc.formats.audit_report import AuditReport, parse_audit
from tiprdc.formats.manifest import parse_contract
from tiprdc.formats.numbers import MINUS, points
from tiprdc.reports import bounds_wording, kept_wording, verdict_wording, wording

AGAINST = "Against the unprotected extractor, unseen tasks"


def parsed(raw: dict[str, Any]) -> AuditReport:
    return parse_audit(raw, "audit.json")


def claim_of(raw: dict[str, Any]) -> str:
    audit = parsed(raw)
    name, attribute = next(iter(audit.attributes.items()))
    return verdict_wording.claim(name, attribute, audit)


def test_pass_states_bound_and_strongest_attack() -> None:
    assert claim_of(image_audit()) == (
        "No attack of suite 1.0.0 exceeded 56.1 % on skin tone (95 % upper bound) on 1,984 people."
        " The strongest, CNN, fitted on 4,000 people, reached 54.3 % balanced accuracy."
        " A guess without the features gets 50.0 %; the policy allows an upper bound of 60.0 %."
    )


def test_upper_bound_above_limit_is_no_recognition() -> None:
    assert claim_of(text_audit()).startswith("No attack of suite 1.0.0 exceeded 58.4 %")


def test_lower_bound_above_limit_is_a_recognition() -> None:
    assert claim_of(table_audit()).startswith(
        "The strongest attack, CNN, fitted on 4,000 people, recognised sex at 71.3 % balanced"
        " accuracy (95 % lower bound 69.5 %) on 9,020 people."
    )


def test_confidence_is_taken_from_policy() -> None:
    audit = image_audit()
    audit["policy"]["confidence"] = 0.999
    assert "exceeded 56.1 % on skin tone (99.9 % upper bound)" in claim_of(audit)


def test_claim_without_finished_attack() -> None:
    assert claim_of(bare_audit()) == (
        "No attack on skin tone finished, so nothing can be said about it."
    )


def _fail_by_control() -> dict[str, Any]:
    return {
        **image_audit(),
        "verdict": "FAIL",
        "attributes": {"skin_tone": attribute(verdict="FAIL")},
    }


def _many() -> dict[str, Any]:
    return {**image_audit(), "attributes": {name: attribute() for name in "abcd"}}


@pytest.mark.parametrize(
    ("audit", "headline"),
    [
        (image_audit(), "Attacks on skin tone stay within the limit, projected to 40,000 people"),
        (
            text_audit(),
            "Still rising: an attacker with about 12,000 people would pass the limit on gender",
        ),
        (table_audit(), "An attack recognises sex from the features"),
        (_fail_by_control(), "The audit's own checks did not hold"),
        (
            _many(),
            "Attacks on 4 private attributes stay within the limit, projected to 40,000 people",
        ),
    ],
)
def test_headline_follows_from_verdict(audit: dict[str, Any], headline: str) -> None:
    assert verdict_wording.headline(parsed(audit)) == headline


@pytest.mark.parametrize(
    ("utility", "loss", "sentence"),
    [
        ({}, None, "No unseen task was measured"),
        (image_audit()["utility"], None, "Not every unseen task could be measured"),
        (
            image_audit()["utility"],
            0.0123,
            "Against the unprotected extractor, unseen tasks lose 1.2 points on average",
        ),
        (
            image_audit()["utility"],
            -0.002,
            f"{AGAINST} lose nothing on average ({MINUS}0.2 points)",
        ),
    ],
)
def test_utility_loss_sentence(utility: dict[str, Any], loss: float | None, sentence: str) -> None:
    audit = parsed({**image_audit(), "utility": utility, "mean_utility_loss": loss})
    assert kept_wording.utility_loss(audit) == sentence


def test_told_tasks_are_no_unseen_tasks() -> None:
    raw = image_audit()
    assert kept_wording.told(parsed(raw)) == ""
    raw["plan"]["told"] = ["smile", "glasses"]
    raw["mean_kept_told"] = 0.912
    audit = parsed(raw)
    assert list(kept_wording.unseen(audit)) == ["facial_hair", "hair_length", "hair_tone"]
    assert kept_wording.told(audit) == (
        "Told tasks (smile, glasses), whose labels training used, keep 91.2 %"
    )
    assert kept_wording.kind("smile", audit) == "told task"
    assert kept_wording.kind("hair_tone", audit) == "unseen task"
    raw["plan"]["told"] = list(raw["utility"])
    assert kept_wording.kept(parsed(raw)) == "No unseen task was measured"


@pytest.mark.parametrize(
    ("loss", "text"), [(0.0123, "1.2"), (-0.0004, "0.0"), (-0.051, f"{MINUS}5.1")]
)
def test_points(loss: float, text: str) -> None:
    assert points(loss) == text


def test_readable_names() -> None:
    assert wording.readable("hair_tone") == "hair tone"
    assert wording.readable("_") == "_"
    assert wording.attack_name("mlp") == "MLP"
    assert wording.attack_name("gradient_boosting") == "gradient boosting"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"


@pytest.mark.parametrize(
    ("output", "most", "channel", "comparison"),
    [
        (
            {"clip": 3.0, "bits": 2},
            256.0,
            f"squashed into {MINUS}3 to 3 and rounded to 4 levels (2 bits)",
            "no less than all of skin tone (log2 of its classes: 1): only attacks decide",
        ),
        (
            {"clip": 1.0, "noise": 40.0},
            0.058,
            f"squashed into {MINUS}1 to 1 and with Gaussian noise of 40, drawn anew at every run",
            "nobody can predict. That is less than all of skin tone",
        ),
    ],
)
def test_information_bound_is_compared_with_attribute(
    output: dict[str, float], most: float, channel: str, comparison: str
) -> None:
    raw = manifest(image_audit())
    raw["most_bits"]["record"] = most
    raw["output"].update(output)
    contract = parse_contract(raw, "manifest.json")
    assert wording.channel(contract) == f"each feature is {channel}"
    assert f"released once, reveal at most {most:.4g} bits about" in wording.information_bound(
        contract
    )
    assert comparison in wording.information_bound(contract)


def test_measured_point_above_the_limit_is_said_before_a_later_crossing() -> None:
    """A smooth curve may cross the limit later than the last measured point does."""
    (gender,) = parsed(text_audit()).attributes.values()
    curve = gender.curves[0]
    assert bounds_wording.limit_falls(gender) == 12_000
    last = replace(curve.points[-1], balanced_accuracy=0.61)
    above = replace(gender, curves=(replace(curve, points=(*curve.points[:-1], last)),))
    sentence = bounds_wording.projection("gender", above)
    assert sentence.startswith(f"{last.people:,} people are enough to pass the limit of 56 %. With")
    assert bounds_wording.limit_falls(above) == last.people
