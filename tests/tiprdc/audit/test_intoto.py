"""The in-toto statement of an audit: bound to its file, and PASSED only for the verdict PASS."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiprdc.audit.test_verdict import estimate, report
from tiprdc.audit.intoto import render, statement
from tiprdc.audit.run import AuditResult
from tiprdc.audit.writer import write
from tiprdc.formats.audit_statement import TEST_RESULT_TYPE
from tiprdc.formats.envelope import encode_json, parse_envelope
from tiprdc.registry.signing import generate, make_signer, read_trust, verify_signature

CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "PASS"),
    ({"strongest": estimate(0.7)}, "FAIL"),
    ({"strongest": estimate(0.595)}, "INCONCLUSIVE"),
    ({"attacks": ()}, "INCONCLUSIVE"),
]


@pytest.mark.parametrize(("changes", "verdict"), CASES)
def test_only_a_pass_is_passed(changes: dict[str, Any], verdict: str) -> None:
    document = report(**changes)
    assert document.verdict == verdict
    predicate = statement(document)["predicate"]
    assert (predicate["result"] == "PASSED") == (verdict == "PASS")
    assert ("whole audit" in predicate["passedTests"]) == (verdict == "PASS")
    assert bool(predicate["failedTests"]) == (verdict != "PASS")


def test_statement_is_bound_to_file_plan_and_report() -> None:
    document = report()
    audited = statement(document, name="m.onnx")
    assert audited["_type"] == "https://in-toto.io/Statement/v1"
    assert audited["predicateType"] == TEST_RESULT_TYPE
    assert audited["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert audited["subject"] == [{"name": "m.onnx", "digest": {"sha256": document.model_sha256}}]
    digests = {d["name"]: d["digest"]["sha256"] for d in audited["predicate"]["configuration"]}
    assert digests == {
        "plan": document.plan_sha256,
        "data": document.data_digest,
        "audit.json": hashlib.sha256(document.to_json().encode()).hexdigest(),
    }
    assert json.loads(render(document, name="m.onnx")) == json.loads(encode_json(audited))
    assert render(document) == render(document)


@pytest.mark.parametrize("is_signed", [False, True])
def test_written_statement_names_the_audited_file(tmp_path: Path, is_signed: bool) -> None:
    """The table of attacks, which is written before it, has names too."""
    generate("the auditor", tmp_path / "k", tmp_path / "t")
    document = report()
    signer = make_signer(tmp_path / "k") if is_signed else None
    write(AuditResult(document, {}, 0.0), tmp_path, name="m.onnx", signer=signer)
    text = (tmp_path / "audit.intoto.json").read_text()
    written = json.loads(parse_envelope(text, "x").payload) if is_signed else json.loads(text)
    assert written == statement(document, name="m.onnx")
    assert written["subject"][0]["name"] == "m.onnx"


def test_key_makes_a_signed_envelope(tmp_path: Path) -> None:
    generate("the auditor", tmp_path / "k", tmp_path / "t")
    text = render(report(), name="m.onnx", signer=make_signer(tmp_path / "k"))
    envelope = parse_envelope(text, "x")
    assert verify_signature(envelope, read_trust(tmp_path / "t"), "x").name == "the auditor"
    assert envelope.payload == encode_json(statement(report(), name="m.onnx"))
