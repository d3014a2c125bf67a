"""The self-test holds for the auditor as it is, and breaks when the auditor is broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from tiprdc.audit import scoring, tasks, verdict
from tiprdc.cli.main import app
from tiprdc.errors import ConfigError
from tiprdc.selftest import checks, run, small_audit
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.report import Check, SelfTest
from tiprdc.selftest.small_audit import Design

Patch = pytest.MonkeyPatch
ALL_FOUND, ALL_HARMLESS = checks.FOUND, checks.HARMLESS
SMALL = Design(train=1500, select=400, test=600)


def nothing() -> None:
    """No progress to show."""


@pytest.fixture(autouse=True)
def short(monkeypatch: Patch) -> None:
    """A self-test of seconds."""
    monkeypatch.setattr(run, "QUICK_REPLICATIONS", 8)
    monkeypatch.setattr(run, "_QUICK", SMALL)
    monkeypatch.setattr(checks, "FOUND", ("linear", "norm"))
    monkeypatch.setattr(checks, "HARMLESS", ("independent",))
    quick = ("logistic_regression", "quadratic", "nearest_neighbours")
    monkeypatch.setitem(small_audit.CHEAP, "flat", quick)


def broken(found: list[Check]) -> list[str]:
    return [check.name for check in found if check.holds is False]


def test_it_holds_and_shows_its_progress() -> None:
    seen: list[tuple[str, float]] = []
    found = run.self_test(progress=lambda label, done: seen.append((label, done)))
    assert found.holds, found.rows()
    assert found.headline().startswith("All ")
    assert "cannot" not in found.headline()
    assert "too small" in found.caution()
    shares = [done for _, done in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert [c.holds for c in found.checks].count(None) == len(checks.MISSED)


def test_the_same_again_finds_the_same() -> None:
    first, again = (run.self_test() for _ in range(2))
    assert first.checks == again.checks


def test_every_fixture_has_its_place_in_it() -> None:
    assert {*ALL_FOUND, *ALL_HARMLESS, *checks.MISSED} == set(FIXTURES)


def test_a_judge_that_always_passes_is_found_out(monkeypatch: Patch) -> None:
    def lenient(*given: Any, **evidence: Any) -> Any:
        report, _ = verdict.judge(*given, **evidence)
        return structs.replace(report, verdict="PASS"), ()

    for module in (small_audit, scoring):
        monkeypatch.setattr(module, "judge", lenient)
    assert len(broken(list(checks.faults(nothing)))) == 2
    assert broken(list(checks.leaks(SMALL, nothing)))


def test_a_judge_that_never_passes_is_found_out(monkeypatch: Patch) -> None:
    def strict(*given: Any, **evidence: Any) -> Any:
        report, _ = verdict.judge(*given, **evidence)
        return structs.replace(report, verdict="INCONCLUSIVE"), ("no",)

    for module in (small_audit, scoring):
        monkeypatch.setattr(module, "judge", strict)
    assert broken(list(checks.faults(nothing)))
    assert broken(list(checks.leaks(SMALL, nothing)))


def test_attackers_that_are_blind_are_found_out(monkeypatch: Patch) -> None:
    monkeypatch.setitem(small_audit.CHEAP, "flat", ("logistic_regression",))
    assert broken(list(checks.leaks(SMALL, nothing))) == ["leak: the length of z"]


def test_scoring_on_people_that_were_trained_on_is_found_out(monkeypatch: Patch) -> None:
    """Attackers that know the very people by heart see a leak where there is none."""
    draw = small_audit.draw

    def overlapping(*given: Any) -> Any:
        evidence = draw(*given)
        return replace(evidence, test=evidence.train)

    monkeypatch.setattr(small_audit, "draw", overlapping)
    assert broken(list(checks.alarms(10, nothing)))


def test_attackers_are_chosen_on_attacker_select(monkeypatch: Patch) -> None:
    seen: list[int] = []
    fit = tasks.fit

    def watched(job: Any, z: Any, z_select: Any, *given: Any) -> Any:
        seen.append(len(z_select))
        return fit(job, z, z_select, *given)

    monkeypatch.setattr(tasks, "fit", watched)
    list(checks.alarms(1, nothing))
    assert set(seen) == {200}


def test_bounds_that_are_too_narrow_are_found_out(monkeypatch: Patch) -> None:
    exact: Callable[..., float] = checks.lower_bound
    monkeypatch.setattr(checks, "lower_bound", lambda c, n: exact(c, n, 0.9))
    assert broken(list(checks.bounds())) == ["coverage of the bounds"]


def test_a_self_test_without_checks_does_not_hold() -> None:
    nothing_done = SelfTest(suite_version="1", quick=True, checks=(), seconds=0.0)
    assert not nothing_done.holds
    assert "nothing was checked" in nothing_done.headline()


def test_a_broken_check_is_named() -> None:
    checked = Check(name="bounds", wanted="a", found="b", holds=False)
    found = SelfTest(suite_version="1", quick=False, checks=(checked,), seconds=0.0)
    assert found.headline() == "The auditor is broken: bounds."
    assert found.rows() == [("bounds", "a", "b", "NO")]


def test_a_bad_design_is_refused() -> None:
    with pytest.raises(ConfigError, match="train: 3"):
        Design(train=3)
    with pytest.raises(ConfigError, match="even number"):
        Design(test=1001)


def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch, *words: str, name: str = "self-test"
) -> Any:
    monkeypatch.setattr(sys, "argv", ["tiprdc", name, *words])
    with pytest.raises(SystemExit) as ended:
        app()
    out, _ = capsys.readouterr()
    return int(ended.value.code or 0), out


def test_the_command_prints_a_table_or_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    code, out = command(capsys, monkeypatch)
    assert code == 0
    assert out.startswith("All ")
    assert "leak: the length of z" in out
    assert "known limit" in out
    assert "\x1b" not in out
    code, out = command(capsys, monkeypatch, "--json")
    found = json.loads(out)
    assert (code, found["holds"], found["quick"]) == (0, True, True)


def test_the_command_ends_with_1_if_the_auditor_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    monkeypatch.setitem(small_audit.CHEAP, "flat", ("logistic_regression",))
    code, out = command(capsys, monkeypatch)
    assert code == 1
    assert out.startswith("The auditor is broken: leak: the length of z")


def test_an_audit_of_the_auditor_needs_no_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    code, out = command(capsys, monkeypatch, "--self-test", name="audit")
    assert code == 0
    assert out.startswith("All ")
