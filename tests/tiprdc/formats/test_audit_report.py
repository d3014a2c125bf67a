"""audit.json: model and schema accept the same documents, and errors name keys without values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.helpers.audit_samples import AUDITS, image_audit
from tiprdc.errors import DataError
from tiprdc.formats import audit_schema
from tiprdc.formats.audit_report import parse_audit

SCHEMA = json.loads(audit_schema.FILE.read_text(encoding="utf-8"))
Edit = Callable[[dict[str, Any]], object]


def skin_tone(audit: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = audit["attributes"]["skin_tone"]
    return attribute


def test_schema_file_is_generated_from_model() -> None:
    text = audit_schema.FILE.read_text(encoding="utf-8")
    assert text == audit_schema.text(), "run `python -m tiprdc.formats.audit_schema`"


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", AUDITS)
def test_samples_fit_schema_and_survive_a_round_trip(name: str) -> None:
    raw = AUDITS[name]()
    jsonschema.validate(raw, SCHEMA)
    assert json.loads(parse_audit(raw, "audit.json").to_json()) == json.loads(json.dumps(raw))


def test_every_object_of_fixed_keys_requires_all_and_refuses_others() -> None:
    for schema in (SCHEMA, *SCHEMA["$defs"].values()):
        assert set(schema["required"]) == set(schema["properties"])
        assert schema["additionalProperties"] is False


REFUSED: dict[str, tuple[Edit, str]] = {
    "unknown verdict": (lambda a: a.update(verdict="FINE"), "verdict"),
    "short digest": (lambda a: a.update(plan_sha256="1"), "plan_sha256"),
    "digest and a line break": (lambda a: a.update(model_sha256="a" * 64 + "\n"), "model_sha256"),
    "unknown key": (lambda a: a.update(extra=1), "unknown key 'extra'"),
    "missing key": (lambda a: a.pop("reuse"), "no key 'reuse'"),
    "timings": (
        lambda a: skin_tone(a)["attacks"][0].update(seconds=1.0),
        r"attributes\.\*\.attacks\.\*: unknown key 'seconds'",
    ),
    "rate above 1": (
        lambda a: skin_tone(a)["strongest"].update(high=1.01),
        r"attributes\.\*\.strongest\.high: expected `float` <= 1",
    ),
    "rate below 0": (lambda a: skin_tone(a).update(prior=-0.1), r"attributes\.\*\.prior"),
    "rate that is a text": (lambda a: skin_tone(a).update(limit="0.6"), r"attributes\.\*\.limit"),
    "missing control": (
        lambda a: skin_tone(a)["controls"].pop("shuffled"),
        r"attributes\.\*\.controls: no key 'shuffled'",
    ),
    "people that are no count": (
        lambda a: skin_tone(a).update(people=1.5),
        r"attributes\.\*\.people",
    ),
    "unknown representation": (
        lambda a: skin_tone(a)["attacks"][0].update(representation="other"),
        r"attributes\.\*\.attacks\.\*\.representation",
    ),
    "measure of an unknown representation": (
        lambda a: a["measures"]["linkability"][0].update(representation="shuffled"),
        r"measures\.\*\.\*\.representation",
    ),
    "unknown status": (
        lambda a: skin_tone(a)["attacks"][0].update(status="fine"),
        r"attributes\.\*\.attacks\.\*\.status",
    ),
    "loss above 1": (lambda a: a.update(mean_utility_loss=1.5), "mean_utility_loss"),
    "unknown modality": (lambda a: a.update(modality="sound"), "modality"),
    "empty shape size": (lambda a: a.update(features=[0]), r"features\.\*"),
    "policy against nothing": (lambda a: a["policy"].update(against="none"), r"policy\.against"),
    "plan with an unknown key": (lambda a: a["plan"].update(more=1), "plan: unknown key 'more'"),
    "negative split": (lambda a: a["splits"]["attacker-test"].update(people=-1), r"splits\.\*"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_model_and_schema_refuse_the_same_faults(fault: str) -> None:
    edit, words = REFUSED[fault]
    raw = copy.deepcopy(image_audit())
    edit(raw)
    with pytest.raises(DataError, match=words):
        parse_audit(raw, "audit.json")
    if fault != "digest and a line break":
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(raw, SCHEMA)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    raw = image_audit()
    skin_tone(raw)["strongest"]["low"] = value
    with pytest.raises(DataError, match=r"skin_tone\.strongest\.low: a number that is not finite"):
        parse_audit(raw, "audit.json")


def test_numbers_that_are_not_finite_are_never_written() -> None:
    import msgspec

    report = parse_audit(image_audit(), "audit.json")
    with pytest.raises(ValueError, match="JSON compliant"):
        msgspec.structs.replace(report, mean_utility_loss=float("nan")).to_json()


def test_errors_hold_no_value() -> None:
    raw = image_audit()
    raw["verdict"] = skin_tone(raw)["verdict"] = "a person's secret"
    with pytest.raises(DataError) as caught:
        parse_audit(raw, "audit.json")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("version", [None, 1, 2, "3", True])
def test_other_schema_versions_are_refused_with_next_step(version: object) -> None:
    with pytest.raises(DataError, match=r"schema version 3\n.*dvc repro -f audit"):
        parse_audit({**image_audit(), "schema_version": version}, "audit.json")
