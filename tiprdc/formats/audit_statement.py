"""The audit as an in-toto test-result: a statement about the sha256 of the audited file.

INCONCLUSIVE becomes FAILED. A test-result of WARNED means "passed with warnings", and a policy that
admits warnings must not admit an undecided audit.

Source: in-toto predicate test-result v0.1 (github.com/in-toto/attestation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tiprdc.errors import ReleaseError
from tiprdc.formats.envelope import Digest, Envelope, Statement, Subject, parse_statement

TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_PLAN, _DATA, _AUDIT = "plan", "data", "audit.json"
_WHOLE = "whole audit"


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An in-toto ResourceDescriptor: a document by name and digest, with notes."""

    name: str
    digest: dict[str, str]
    annotations: dict[str, str]


class AuditPredicate(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The predicate test-result v0.1; a test is one private attribute, or the whole audit."""

    result: Literal["PASSED", "FAILED"]
    configuration: tuple[Descriptor, ...]
    passed_tests: tuple[str, ...]
    warned_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...]


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict and suite of an audit, and sha256 of its audit.json."""

    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    suite_version: str
    sha256: str


def audit_statement(
    *,
    name: str,
    model_sha256: str,
    verdict: str,
    suite_version: str,
    attributes: Mapping[str, str],
    dataset: str,
    data_digest: str,
    plan_sha256: str,
    audit_sha256: str,
) -> Statement[AuditPredicate]:
    """State the result of an audit.

    Args:
        name: Of the audited file.
        model_sha256, verdict, suite_version, dataset, data_digest, plan_sha256: As in audit.json.
        attributes: Private attribute -> verdict.
        audit_sha256: Of audit.json itself.
    """
    tests = {f"attribute inference: {name}": verdict for name, verdict in attributes.items()}
    tests[_WHOLE] = verdict
    passed = tuple(test for test, verdict in tests.items() if verdict == "PASS")
    return Statement(
        subject=(Subject(name=name, digest=Digest(sha256=model_sha256)),),
        predicate_type=TEST_RESULT_TYPE,
        predicate=AuditPredicate(
            result="PASSED" if verdict == "PASS" else "FAILED",
            configuration=(
                _descriptor(_PLAN, plan_sha256, suite_version=suite_version),
                _descriptor(_DATA, data_digest, dataset=dataset),
                _descriptor(_AUDIT, audit_sha256, verdict=verdict),
            ),
            passed_tests=passed,
            failed_tests=tuple(test for test in tests if test not in passed),
        ),
    )


def parse_audit_statement(envelope: Envelope, where: str) -> AuditSummary:
    """Read the audit in an envelope; its signatures are not checked here.

    Raises:
        ReleaseError: It is no audit of ours, or contradicts itself.
    """
    predicate = parse_statement(envelope, AuditPredicate, TEST_RESULT_TYPE, where).predicate
    notes = {entry.name: entry for entry in predicate.configuration}
    try:
        summary = msgspec.convert(
            {
                "verdict": notes[_AUDIT].annotations["verdict"],
                "suite_version": notes[_PLAN].annotations["suite_version"],
                "sha256": notes[_AUDIT].digest["sha256"],
            },
            AuditSummary,
        )
    except (KeyError, msgspec.ValidationError) as error:
        raise ReleaseError(where, "no audit of tiprdc") from error
    if (summary.verdict == "PASS") != (predicate.result == "PASSED"):
        raise ReleaseError(where, "its verdict and its result contradict each other")
    return summary


def _descriptor(name: str, sha256: str, **annotations: str) -> Descriptor:
    return Descriptor(name=name, digest={"sha256": sha256}, annotations=annotations)
