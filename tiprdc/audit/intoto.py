"""The audit as an in-toto statement about the very file that was attacked; not signed here.

INCONCLUSIVE becomes FAILED: a test-result of WARNED means "passed with warnings", and whoever
admits that must not admit what was not settled.

Source: in-toto Statement v1 and its predicate test-result v0.1 (github.com/in-toto/attestation).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tiprdc.formats.audit_report import AuditReport

FILE = "audit.intoto.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


def statement(report: AuditReport, *, name: str = "extractor.onnx") -> dict[str, Any]:
    """What may be signed about this audit.

    Args:
        report: As it is written to `audit.json`.
        name: Of the file that was audited.
    """
    tests = {f"attribute inference: {n}": a.verdict for n, a in report.attributes.items()}
    tests["whole audit"] = report.verdict
    passed = [name for name, verdict in tests.items() if verdict == "PASS"]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": report.model_sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "PASSED" if report.verdict == "PASS" else "FAILED",
            "configuration": [
                _described("plan", report.plan_sha256, suite_version=report.suite_version),
                _described("data", report.data_digest, dataset=report.dataset),
                _described("audit.json", _sha256(report.to_json()), verdict=report.verdict),
            ],
            "passedTests": passed,
            "warnedTests": [],
            "failedTests": [name for name in tests if name not in passed],
        },
    }


def to_json(document: dict[str, Any]) -> str:
    """As text, always the same for the same document."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _described(name: str, sha256: str, **annotations: str) -> dict[str, Any]:
    """An in-toto ResourceDescriptor."""
    return {"name": name, "digest": {"sha256": sha256}, "annotations": annotations}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
