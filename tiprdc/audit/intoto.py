"""Writes the audit as an in-toto statement, in a DSSE envelope if it is signed."""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

import msgspec

from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.audit_statement import audit_statement
from tiprdc.formats.envelope import Signer, encode_json

FILE = "audit.intoto.json"


def statement(report: AuditReport, *, name: str = "extractor.onnx") -> dict[str, Any]:
    """The in-toto statement about an audit.

    Args:
        report: As it is written to `audit.json`.
        name: Of the file that was audited.
    """
    document = audit_statement(
        name=name,
        model_sha256=report.model_sha256,
        verdict=report.verdict,
        suite_version=report.suite_version,
        attributes={name: a.verdict for name, a in report.attributes.items()},
        dataset=report.dataset,
        data_digest=report.data_digest,
        plan_sha256=report.plan_sha256,
        audit_sha256=hashlib.sha256(report.to_json().encode()).hexdigest(),
    )
    return cast(dict[str, Any], json.loads(encode_json(document)))


def render(
    report: AuditReport, *, name: str = "extractor.onnx", signer: Signer | None = None
) -> str:
    """Text of `audit.intoto.json`; always the same for the same report and key.

    Args:
        report: As it is written to `audit.json`.
        name: Of the file that was audited.
        signer: With it the text is a signed DSSE envelope; without it the text is the bare
            statement, which proves nothing about its author.
    """
    document = statement(report, name=name)
    if signer is None:
        return json.dumps(document, indent=1, sort_keys=True) + "\n"
    envelope = signer(encode_json(document))
    return json.dumps(msgspec.to_builtins(envelope), indent=1, sort_keys=True) + "\n"
