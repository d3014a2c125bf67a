"""`tiprdc verify --certificate`: bounds follow from counts, and edited ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.helpers.audit_parts import certificate
from tests.helpers.audit_samples import image_audit
from tiprdc.audit.evaluation.certificates import check_certificates
from tiprdc.cli.commands.verify import verify_certificates
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import parse_audit


def audit(**changes: Any) -> dict[str, Any]:
    raw = image_audit()
    raw["attributes"]["skin_tone"]["certificate"] = {**certificate(), **changes}
    raw["splits"]["attacker-train"] = {"people": 20_000, "records": 20_000}
    return raw


def faults(raw: dict[str, Any]) -> tuple[str, ...]:
    return check_certificates(parse_audit(raw, "audit.json"))["skin_tone"]


def test_certificate_that_follows_from_its_counts_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(audit()))
    verify_certificates(tmp_path, as_json=False)
    assert "Whatever the attacker does" in capsys.readouterr().out
    verify_certificates(tmp_path / "audit.json", as_json=True)
    assert json.loads(capsys.readouterr().out)["skin_tone"] == certificate()["bound"]


def test_edited_counts_are_refused(tmp_path: Path) -> None:
    counts = [list(row) for row in certificate()["counts"]]
    counts[0] = [sum(counts[0]), *[0] * (len(counts[0]) - 1)]
    edited = audit(counts=counts)
    assert any("in_sample" in fault or "bound" in fault for fault in faults(edited))
    (tmp_path / "audit.json").write_text(json.dumps(edited))
    with pytest.raises(DataError, match="by its counts"):
        verify_certificates(tmp_path, as_json=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bound": 0.5}, "bound is 0.5 in the file"),
        ({"delta": 0.2}, "delta is 0.2 in the file"),
        ({"cells": 9}, "cells is 9 in the file"),
        ({"counts": [[1, 2, 3, 4]]}, "the counts are of 1 classes"),
        ({"counts": [[0, 0, 0, 0], [1, 2, 3, 4]]}, "at least one person"),
        ({"counts": [[1, 2], [1, 2, 3, 4]]}, "skin_tone"),
    ],
)
def test_certificate_that_does_not_add_up_is_named(changes: dict[str, Any], words: str) -> None:
    assert words in " ".join(faults(audit(**changes)))


def test_more_people_than_the_splits_have_are_refused() -> None:
    raw = audit()
    raw["splits"]["attacker-train"] = {"people": 1000, "records": 1000}
    assert "20,000 people are counted, and the splits have" in " ".join(faults(raw))


def test_audit_without_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(image_audit()))
    with pytest.raises(DataError, match="no certificate"):
        verify_certificates(tmp_path, as_json=False)
    report = parse_audit(image_audit(), "audit.json")
    assert check_certificates(structs.replace(report)) == {}
