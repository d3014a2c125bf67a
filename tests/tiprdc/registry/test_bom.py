"""The bill of materials is valid by the schema of CycloneDX."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import AUDITS
from tiprdc.formats.audit_report import parse_audit
from tiprdc.formats.manifest import parse_contract
from tiprdc.formats.release_statement import ReleasedFile
from tiprdc.registry.bom import bill_of_materials

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
FILES = {
    name: ReleasedFile(path=f"artifacts/release/{name}", sha256="ab" * 32, size=7)
    for name in ("extractor.onnx", "manifest.json", "audit.json", "model_card.md")
}


def bom(name: str, **changes: Any) -> dict[str, Any]:
    raw = AUDITS[name]()
    contract, audit = parse_contract(manifest(raw), "manifest"), parse_audit(raw, "audit")
    fields = {"version": "v1.2.0", "revision": "c" * 40, "released": "2026-11-24T10:00:00Z"}
    return bill_of_materials(contract, audit, FILES, **{**fields, **changes})


@pytest.mark.parametrize("name", sorted(set(AUDITS) - {"hostile"}))
def test_bom_is_valid_cyclonedx(name: str) -> None:
    assert VALIDATOR.validate_str(json.dumps(bom(name))) is None


@pytest.mark.parametrize(
    "broken",
    [
        lambda d: d.pop("bomFormat"),
        lambda d: d["metadata"]["component"].update(type="model"),
        lambda d: d["metadata"]["component"]["hashes"][0].update(content="xyz"),
        lambda d: d["metadata"]["component"]["modelCard"].update(extra=1),
        lambda d: d.update(serialNumber="7"),
    ],
)
def test_validator_refuses_a_broken_bom(broken: Any) -> None:
    document = copy.deepcopy(bom("image"))
    broken(document)
    assert VALIDATOR.validate_str(json.dumps(document)) is not None


def test_bom_has_figures_with_their_bounds() -> None:
    document = bom("image")
    component = document["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    assert component["hashes"][0]["content"] == AUDITS["image"]()["model_sha256"]
    metrics = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {
        "type": "balanced accuracy of the strongest attack (cnn)",
        "slice": "private attribute skin_tone",
        "value": "0.5430",
        "confidenceInterval": {"lowerBound": "0.5250", "upperBound": "0.5610"},
    }
    assert "light" not in json.dumps(document)


def test_every_reference_is_defined_once() -> None:
    document = bom("text")
    parts = [document["metadata"]["component"], *document["components"]]
    refs = [part["bom-ref"] for part in parts]
    assert len(refs) == len(set(refs))
    (edge,) = document["dependencies"]
    assert {edge["ref"], *edge["dependsOn"]} <= set(refs)


def test_same_release_has_the_same_serial_number() -> None:
    assert bom("image") == bom("image")
    other = bom("image", version="v1.3.0")["serialNumber"]
    assert bom("image")["serialNumber"] != other
