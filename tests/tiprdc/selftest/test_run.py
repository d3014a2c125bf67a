"""The self-test passes for the auditor as it is, and fails when the auditor is broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from tiprdc.audit import tasks, verdict
from tiprdc.audit.evaluation import scoring
from tiprdc.cli.main import app
from tiprdc.errors import ConfigError
from tiprdc.selftest import checks, run, small_audit
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.report import Check, SelfTest
from tiprdc.selftest.small_audit import AuditSetup

Patch = pytest.MonkeyPatch
ALL_DETECTED, ALL_NO_LEAK = checks.DETECTED, checks.NO_LEAK
SMALL = AuditSetup(train=1500, select=400, test=600)


def no_tick() -> None:
    """A tick without progress."""


@pytest.fixture(autouse=True)
def short(monkeypatch: Patch) -> None:
    """A self-test that takes seconds."""
    monkeypatch.setattr(run, "QUICK_REPLICATIONS", 8)
    monkeypatch.setattr(run, "_QUICK", SMALL)
    monkeypatch.setattr(checks, "DETECTED", ("linear", "norm"))
    monkeypatch.setattr(checks, "NO_LEAK", ("independent",))
    quick = ("logistic_regression", "quadratic", "nearest_neighbours")
    monkeypatch.setitem(small_audit.FAST_ATTACKS, "flat", quick)


def failed(results: list[Check]) -> list[str]:
    return [check.name for check in results if check.holds is False]


def test_self_test_holds_and_reports_progress() -> None:
    reports: list[tuple[str, float]] = []
    result = run.self_test(progress=lambda label, done: reports.append((label, done)))
    assert result.holds, result.rows()
    assert result.headline().startswith("All ")
    assert "cannot" not in result.headline()
    assert "too small" in result.caution()
    shares = [done for _, done in reports]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert [c.holds for c in result.checks].count(None) == len(checks.KNOWN_LIMITS)


def test_self_test_is_deterministic() -> None:
    first, again = (run.self_test() for _ in range(2))
    assert first.checks == again.checks


def test_every_fixture_is_checked() -> None:
    assert {*ALL_DETECTED, *ALL_NO_LEAK, *checks.KNOWN_LIMITS} == set(FIXTURES)


def test_verdict_that_always_passes_is_detected(monkeypatch: Patch) -> None:
    def lenient(*args: Any, **evidence: Any) -> Any:
        report, _ = verdict.judge(*args, **evidence)
        return structs.replace(report, verdict="PASS"), ()

    for module in (small_audit, scoring):
        monkeypatch.setattr(module, "judge", lenient)
    assert len(failed(list(checks.evidence_faults(no_tick)))) == 2
    assert failed(list(checks.planted_leaks(SMALL, no_tick)))


def test_verdict_that_never_passes_is_detected(monkeypatch: Patch) -> None:
    def strict(*args: Any, **evidence: Any) -> Any:
        report, _ = verdict.judge(*args, **evidence)
        return structs.replace(report, verdict="INCONCLUSIVE"), ("no",)

    for module in (small_audit, scoring):
        monkeypatch.setattr(module, "judge", strict)
    assert failed(list(checks.evidence_faults(no_tick)))
    assert failed(list(checks.planted_leaks(SMALL, no_tick)))


def test_blind_attackers_are_detected(monkeypatch: Patch) -> None:
    monkeypatch.setitem(small_audit.FAST_ATTACKS, "flat", ("logistic_regression",))
    assert failed(list(checks.planted_leaks(SMALL, no_tick))) == ["leak: the length of z"]


def test_scoring_on_training_people_is_detected(monkeypatch: Patch) -> None:
    """Attackers scored on their own training people detect a leak where there is none."""
    draw = small_audit.draw_evidence

    def overlapping(*args: Any) -> Any:
        evidence = draw(*args)
        return replace(evidence, test=evidence.train)

    monkeypatch.setattr(small_audit, "draw_evidence", overlapping)
    assert failed(list(checks.false_alarms(10, no_tick)))


def test_attackers_are_chosen_on_attacker_select(monkeypatch: Patch) -> None:
    sizes: list[int] = []
    fit = tasks.fit

    def recording_fit(
        request: Any, z: Any, labels: Any, x: Any, z_select: Any, u: Any, draws: Any
    ) -> Any:
        sizes.append(len(z_select))
        return fit(request, z, labels, x, z_select, u, draws)

    monkeypatch.setattr(tasks, "fit", recording_fit)
    list(checks.false_alarms(1, no_tick))
    assert set(sizes) == {200}


def test_too_narrow_bounds_are_detected(monkeypatch: Patch) -> None:
    exact: Callable[..., float] = checks.lower_bound
    monkeypatch.setattr(checks, "lower_bound", lambda c, n: exact(c, n, 0.9))
    assert failed(list(checks.bounds())) == ["coverage of the bounds"]


def test_self_test_without_checks_does_not_hold() -> None:
    empty = SelfTest(suite_version="1", quick=True, checks=(), seconds=0.0)
    assert not empty.holds
    assert "nothing was checked" in empty.headline()


def test_failed_check_is_named() -> None:
    check = Check(name="bounds", expected="a", observed="b", holds=False)
    result = SelfTest(suite_version="1", quick=False, checks=(check,), seconds=0.0)
    assert result.headline() == "The auditor is broken: bounds."
    assert result.rows() == [("bounds", "a", "b", "NO")]


def test_invalid_setup_is_refused() -> None:
    with pytest.raises(ConfigError, match="train: 3"):
        AuditSetup(train=3)
    with pytest.raises(ConfigError, match="even number"):
        AuditSetup(test=1001)


def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch, *words: str, name: str = "self-test"
) -> Any:
    monkeypatch.setattr(sys, "argv", ["tiprdc", name, *words])
    with pytest.raises(SystemExit) as ended:
        app()
    out, _ = capsys.readouterr()
    return int(ended.value.code or 0), out


def test_command_prints_a_table_or_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    code, out = command(capsys, monkeypatch)
    assert code == 0
    assert out.startswith("All ")
    assert "leak: the length of z" in out
    assert "known limit" in out
    assert "\x1b" not in out
    code, out = command(capsys, monkeypatch, "--json")
    document = json.loads(out)
    assert (code, document["holds"], document["quick"]) == (0, True, True)


def test_exit_code_is_1_if_the_auditor_is_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch
) -> None:
    monkeypatch.setitem(small_audit.FAST_ATTACKS, "flat", ("logistic_regression",))
    code, out = command(capsys, monkeypatch)
    assert code == 1
    assert out.startswith("The auditor is broken: leak: the length of z")
