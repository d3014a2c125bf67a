"""Generates `audit.schema.json` from the typed model: `python -m tiprdc.formats.audit_schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from tiprdc.formats.audit_report import SCHEMA_VERSION, AuditReport

FILE = Path(__file__).with_name("audit.schema.json")


def audit_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `audit.json`."""
    schema = msgspec.json.schema(AuditReport)
    report = schema["$defs"].pop(AuditReport.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **report,
        "title": f"TIPRDC audit report, version {SCHEMA_VERSION}",
        "$defs": schema["$defs"],
    }


def text() -> str:
    """The text of the schema file."""
    return json.dumps(audit_schema(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
