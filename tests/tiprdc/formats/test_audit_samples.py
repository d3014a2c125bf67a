"""The samples are audits as the graph writes them, so that tests of them mean much."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.helpers.audit_samples import AUDITS
from tiprdc.formats import audit_report


@pytest.mark.parametrize("name", AUDITS)
def test_a_sample_is_an_audit_by_its_schema(name: str) -> None:
    schema = json.loads(Path(audit_report.__file__).with_name("audit.schema.json").read_text())
    jsonschema.validate(AUDITS[name](), schema)
