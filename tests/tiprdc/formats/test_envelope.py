"""Envelopes and statements: what is read, and what is refused before any field is used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import image_audit
from tiprdc.errors import ReleaseError
from tiprdc.formats.audit_report import parse_audit
from tiprdc.formats.audit_statement import audit_statement, parse_audit_statement
from tiprdc.formats.envelope import Envelope, Signature, encode_json, parse_envelope
from tiprdc.formats.manifest import parse_contract
from tiprdc.formats.release_statement import (
    Release,
    ReleasedFile,
    parse_promotion,
    parse_release,
    promotion_statement,
    release_statement,
)
from tiprdc.registry.describe import describe

FILES = {
    name: ReleasedFile(path=f"artifacts/release/{name}", sha256="ab" * 32, size=7)
    for name in ("extractor.onnx", "manifest.json", "audit.json", "model_card.md")
}


@pytest.fixture(scope="module")
def release() -> Release:
    raw = image_audit()
    return describe(
        parse_contract(manifest(raw), "manifest"),
        parse_audit(raw, "audit"),
        FILES,
        artifact="extractor",
        version="v1.2.0",
        revision="c" * 40,
        params_sha256="d" * 64,
    )


def envelope_of(document: object) -> Envelope:
    return Envelope(payload=encode_json(document))


def test_release_is_read_as_it_was_written(release: Release) -> None:
    envelope = envelope_of(release_statement(release))
    assert parse_envelope(encode_json(envelope).decode(), "x") == envelope
    assert parse_release(envelope, "x") == release
    promotion = promotion_statement(release, envelope, "prod", 3)
    assert parse_promotion(envelope_of(promotion), "x") == promotion


def test_statement_is_in_toto_v1(release: Release) -> None:
    statement = json.loads(encode_json(release_statement(release)))
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {entry["name"]: entry["digest"] for entry in statement["subject"]} == {
        name: {"sha256": file.sha256} for name, file in FILES.items()
    }


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 9007199254740993}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 200_000,
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b" " * 2**21 + b"{}",
    ],
    ids=lambda payload: repr(payload[:24]),
)
def test_payload_that_parsers_may_read_differently_is_refused(payload: bytes) -> None:
    with pytest.raises(ReleaseError):
        parse_release(Envelope(payload=payload), "x")


ENVELOPE = {"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []}
BROKEN: dict[str, dict[str, Any]] = {
    "no payload": {"payload": None},
    "payload is no base64": {"payload": "?"},
    "payload is no text": {"payload": 7},
    "type is another": {"payloadType": "application/json"},
    "type is no text": {"payloadType": 7},
    "signatures are no list": {"signatures": {}},
    "signature is a text": {"signatures": ["a"]},
    "signature without sig": {"signatures": [{"keyid": "a"}]},
    "key id is no text": {"signatures": [{"keyid": 1, "sig": "a"}]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_envelope_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match="not a DSSE envelope"):
        parse_envelope(json.dumps({**ENVELOPE, **BROKEN[name]}), "x")


@pytest.mark.parametrize("text", ["7", "[]", '"a"', "null"])
def test_other_json_is_no_envelope(text: str) -> None:
    with pytest.raises(ReleaseError, match="not a DSSE envelope"):
        parse_envelope(text, "x")


def test_envelope_with_a_key_twice_is_refused() -> None:
    text = json.dumps(ENVELOPE).replace("{", '{"payload": "e31=", ', 1)
    with pytest.raises(ReleaseError, match="no statement can be read"):
        parse_envelope(text, "x")


def test_unknown_fields_of_an_envelope_are_ignored_as_dsse_asks() -> None:
    signature = {"keyid": "a", "sig": "b", "cert": "c"}
    envelope = parse_envelope(json.dumps({**ENVELOPE, "more": 1, "signatures": [signature]}), "x")
    assert envelope == Envelope(payload=b"{}", signatures=(Signature(keyid="a", sig="b"),))


def test_private_text_of_a_statement_is_not_in_the_error(release: Release) -> None:
    document = json.loads(encode_json(release_statement(release)))
    document["predicate"]["params_sha256"] = "somebody's secret"
    with pytest.raises(ReleaseError, match=r"predicate\.params_sha256") as refused:
        parse_release(envelope_of(document), "x")
    assert "secret" not in str(refused.value)


def audit(verdict: str = "PASS") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        encode_json(
            audit_statement(
                name="extractor.onnx",
                model_sha256="a" * 64,
                verdict=verdict,
                suite_version="1.2",
                attributes={"skin_tone": verdict},
                dataset="avatars",
                data_digest="b" * 64,
                plan_sha256="c" * 64,
                audit_sha256="d" * 64,
            )
        )
    )
    return document


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INCONCLUSIVE"])
def test_audit_is_read_as_it_was_written(verdict: str) -> None:
    summary = parse_audit_statement(envelope_of(audit(verdict)), "x")
    assert (summary.verdict, summary.suite_version, summary.sha256) == (verdict, "1.2", "d" * 64)


def test_contradicting_audit_is_refused() -> None:
    for verdict, result in (("FAIL", "PASSED"), ("PASS", "FAILED")):
        document = audit(verdict)
        document["predicate"]["result"] = result
        with pytest.raises(ReleaseError, match="contradict"):
            parse_audit_statement(envelope_of(document), "x")
    document = audit()
    del document["predicate"]["configuration"][0]
    with pytest.raises(ReleaseError, match="no audit of tiprdc"):
        parse_audit_statement(envelope_of(document), "x")
