"""The in-toto statement: about these bytes, and PASSED for nothing but a PASS."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.tiprdc.audit.test_verdict import estimate, report
from tiprdc.audit.intoto import PREDICATE_TYPE, statement, to_json

CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "PASS"),
    ({"strongest": estimate(0.7)}, "FAIL"),
    ({"strongest": estimate(0.595)}, "INCONCLUSIVE"),
    ({"attacks": ()}, "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("changes", "verdict"), CASES)
def test_only_a_pass_is_passed(changes: dict[str, Any], verdict: str) -> None:
    found = report(**changes)
    assert found.verdict == verdict
    predicate = statement(found)["predicate"]
    assert (predicate["result"] == "PASSED") == (verdict == "PASS")
    assert ("whole audit" in predicate["passedTests"]) == (verdict == "PASS")
    assert bool(predicate["failedTests"]) == (verdict != "PASS")


def test_it_is_bound_to_the_file_the_plan_and_the_report() -> None:
    found = report()
    said = statement(found, name="m.onnx")
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == PREDICATE_TYPE
    assert said["subject"] == [{"name": "m.onnx", "digest": {"sha256": found.model_sha256}}]
    digests = {d["name"]: d["digest"]["sha256"] for d in said["predicate"]["configuration"]}
    assert digests == {
        "plan": found.plan_sha256,
        "data": found.data_digest,
        "audit.json": hashlib.sha256(found.to_json().encode()).hexdigest(),
    }
    assert to_json(said) == to_json(statement(found, name="m.onnx"))
