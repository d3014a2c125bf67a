"""manifest.json: one model reads and writes it, and errors name keys without values."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers.audit_project import manifest
from tests.helpers.audit_samples import AUDITS, image_audit
from tiprdc.errors import DataError
from tiprdc.formats.manifest import parse_contract


@pytest.mark.parametrize("name", ["image", "table", "text", "audio"])
def test_manifest_survives_round_trip(name: str) -> None:
    raw = {**manifest(AUDITS[name]()), "variant": None, "told": []}
    text = parse_contract(raw, "manifest.json").to_json()
    assert text == json.dumps(raw, indent=1, sort_keys=True) + "\n"


def test_manifest_without_channel_sends_features_unchanged() -> None:
    raw = manifest(image_audit())
    del raw["most_bits"]
    for key in ("clip", "noise", "bits"):
        del raw["output"][key]
    contract = parse_contract(raw, "manifest.json")
    assert (contract.output.clip, contract.output.noise, contract.output.bits) == (0, 0, 0)
    assert contract.most_bits.record is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"secret": 1}, "unknown key 'secret'"),
    "notes that are a text": ({"notes": "a"}, "notes: expected `array`, got `str`"),
    "no model": ({"files": {}}, "files: it lists no extractor.onnx"),
    "opset that is a text": ({"opset": "20"}, "opset: expected `int`, got `str`"),
    "infinite parity": (
        {"parity": {"records": 1, "max_abs": float("inf"), "mean_abs": 0.0}},
        "parity.max_abs: a number that is not finite",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faults_are_refused_with_their_key(fault: str) -> None:
    changes, words = REFUSED[fault]
    with pytest.raises(DataError, match=words):
        parse_contract({**manifest(image_audit()), **changes}, "manifest.json")


@pytest.mark.parametrize(
    "shape", [["batch", 3, "8", 8], [3, 32, 32], [], ["batch"], ["batch", 0, 8], ["batch", 1.5]]
)
def test_shapes_are_batch_and_whole_numbers(shape: list[Any]) -> None:
    raw = manifest(image_audit())
    raw["input"]["shape"] = shape
    with pytest.raises(DataError, match=r"input\.shape"):
        parse_contract(raw, "manifest.json")


def test_formats_import_no_numerical_library() -> None:
    code = (
        "import sys, tiprdc.formats.audit_report, tiprdc.formats.manifest;"
        "print({'numpy', 'scipy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
