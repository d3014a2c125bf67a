"""The samples are audits as the graph writes them, so that tests of them mean much."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import tiprdc
from tests.samples import AUDITS


@pytest.mark.parametrize("name", AUDITS)
def test_a_sample_is_an_audit_by_its_schema(name: str) -> None:
    schema = json.loads(Path(tiprdc.__file__).with_name("audit.schema.json").read_text())
    jsonschema.validate(AUDITS[name](), schema)
