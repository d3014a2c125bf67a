"""A run of the graph ends with the verdict, what to change, and the report's path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.audit_project import write_project
from tests.helpers.audit_samples import (
    AUDITS,
    bare_audit,
    hostile_audit,
    image_audit,
    table_audit,
    text_audit,
)
from tiprdc.formats.audit_report import read_audit
from tiprdc.formats.manifest import read_contract
from tiprdc.reports.advice import verdict_lines


def lines(root: Path, audit: dict[str, Any]) -> list[str]:
    write_project(root, audit)
    contract = read_contract(root / "artifacts/release/manifest.json")
    found = read_audit(root / "reports/audit.json")
    return list(verdict_lines(found, contract, Path("reports/index.html")))


@pytest.mark.parametrize("name", AUDITS)
def test_verdict_is_first_and_report_last(name: str, tmp_path: Path) -> None:
    audit = AUDITS[name]()
    first, *_, last = lines(tmp_path, audit)
    assert f": {audit['verdict']}. " in first
    assert last.startswith("Report: reports/index.html")


def test_pass_names_the_release_and_no_setting(tmp_path: Path) -> None:
    text = "\n".join(lines(tmp_path, image_audit()))
    assert "python -m pipelines.release" in text
    assert "train." not in text


def test_fail_names_reasons_and_settings_that_hide_more(tmp_path: Path) -> None:
    audit = table_audit()
    text = "\n".join(lines(tmp_path, audit))
    assert audit["reasons"][0] in text
    for setting in ("train.extractor.release_noise", "train.head.weight", "train.extractor.codes"):
        assert setting in text


def test_undecided_attack_names_how_many_people_would_settle_it(tmp_path: Path) -> None:
    text = "\n".join(lines(tmp_path, text_audit()))
    assert "was tested on 610, and about 5,200 would settle" in text


def test_unfinished_attacks_lead_to_the_log(tmp_path: Path) -> None:
    audit = text_audit()
    assert "logs/" not in "\n".join(lines(tmp_path / "all", audit))
    audit["attributes"]["gender"]["attacks"][0].update(select=None, status="failed: killed")
    assert "logs/" in "\n".join(lines(tmp_path / "some", audit))


def test_too_few_people_for_a_learning_curve_lead_to_more_people(tmp_path: Path) -> None:
    audit = text_audit()
    audit["attributes"]["gender"]["curves"] = []
    assert "More people in attacker-train give gender a learning curve" in "\n".join(
        lines(tmp_path, audit)
    )
    assert "learning curve, which" not in "\n".join(lines(tmp_path / "bare", bare_audit()))


def test_names_from_data_reach_no_terminal_as_control_codes(tmp_path: Path) -> None:
    audit = hostile_audit()
    audit["reasons"] = ["x\x1b[31m\u202e"]
    audit["verdict"] = "FAIL"
    assert not any("\x1b" in line or "\u202e" in line for line in lines(tmp_path, audit))


def test_attack_above_the_limit_needs_more_than_more_people(tmp_path: Path) -> None:
    audit = text_audit()
    audit["attributes"]["gender"]["curves"] = []
    assert "hide more and keep less" not in "\n".join(lines(tmp_path / "below", audit))
    audit["attributes"]["gender"]["limit"] = 0.54
    text = "\n".join(lines(tmp_path / "above", audit))
    assert text.index("hide more and keep less") < text.index("More people narrow the bounds")
