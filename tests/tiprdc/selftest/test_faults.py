"""The fault matrix: no fault ends in PASS, and the matrix itself can fail."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from msgspec import structs

from tiprdc.attacks import suite
from tiprdc.attacks.base import Attack
from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.audit.executor import TIMED_OUT, InProcess, failure
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.verdict import conclude
from tiprdc.formats.audit_report import Verdict
from tiprdc.selftest.faults import FAULTS
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import (
    AuditSetup,
    AuditState,
    FixtureAudit,
    audit_fixture,
    collect_state,
    conclude_state,
)

SETUP = AuditSetup(
    train=600, select=200, test=1000, attacks=("logistic_regression", "nearest_neighbours"),
    policy=PolicyConfig(min_people=100),
)  # fmt: skip


@functools.cache
def clean() -> AuditState:
    return collect_state(FIXTURES["independent"], 0.5, SETUP, 0)


def audit(name: str = "independent", accuracy: float = 0.5) -> FixtureAudit:
    return audit_fixture(FIXTURES[name], accuracy, SETUP, 0)


def test_clean_evidence_passes() -> None:
    """Without this the matrix would prove nothing."""
    result = conclude_state(clean())
    assert (result.verdict, result.reasons) == ("PASS", ())


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_passes(fault: str) -> None:
    result = conclude_state(FAULTS[fault](clean()))
    assert result.verdict in ("FAIL", "INCONCLUSIVE")
    assert result.reasons, "a verdict needs reasons"


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_changes_the_evidence(fault: str) -> None:
    assert FAULTS[fault](clean()) != clean()


def test_leak_fails_without_a_fault() -> None:
    assert audit("linear", 0.9).verdict == "FAIL"


def test_figure_above_the_limit_with_a_lower_bound_below_is_inconclusive() -> None:
    people = clean().plan.people["u"]
    strongest = estimate_from_counts("logistic_regression", round(0.61 * people), people, 0.95)
    assert strongest.low < 0.6 < strongest.balanced_accuracy
    assert conclude_state(replace(clean(), strongest=strongest)).verdict == "INCONCLUSIVE"


def test_release_passes_only_if_every_attribute_passes() -> None:
    two = {"u": ("0", "1"), "v": ("0", "1")}
    plan = structs.replace(clean().plan, private=two)
    good = conclude_state(clean()).report
    verdicts = {}
    for verdict in get_args(Verdict):
        reports = {"u": good, "v": structs.replace(good, verdict=verdict)}
        verdicts[verdict], _ = conclude(
            plan,
            reports,
            (),
            model_sha256=plan.model_sha256,
            unprotected_sha256=plan.unprotected_sha256,
            data_digest=plan.data_digest,
            plan_sha256=plan.sha256,
        )
    assert verdicts == {verdict: verdict for verdict in get_args(Verdict)}


class RaisingAttack(Attack):
    """An attack that raises."""

    name = "raising"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fit(self, *args: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [MemoryError(), ValueError("NaN"), TimeoutError(), OSError(28)])
def test_raising_attack_is_no_pass(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suite.ATTACKS, "nearest_neighbours", RaisingAttack(error))
    result = audit()
    assert result.verdict == "INCONCLUSIVE"
    assert any(f"failed: {type(error).__name__}" in reason for reason in result.reasons)


def test_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted audit gives no verdict."""
    monkeypatch.setitem(suite.ATTACKS, "nearest_neighbours", RaisingAttack(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        audit()


class LosingExecutor(InProcess):
    """Loses the result of one task, as when a worker dies or times out."""

    def __init__(self, label: str, number: int, lost: Exception) -> None:
        super().__init__()
        self.label, self.number, self.lost, self.lost_count = label, number, lost, 0

    def collect(
        self, tasks: Mapping[Any, Any], deadline: float, label: str, cost: Callable[[Any], float]
    ) -> Iterator[tuple[Any, Any]]:
        results = super().collect(tasks, deadline, label, cost)
        for number, (key, result) in enumerate(results):
            is_lost = label == self.label and number == self.number % len(tasks)
            self.lost_count += is_lost
            yield key, self.lost if is_lost else result


LOST = [ChildProcessError("killed"), MemoryError(), TimeoutError(TIMED_OUT)]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_task_of_a_lost_worker_is_no_pass(lost: Exception, number: int) -> None:
    """Any of the four mandatory fits: two on released features, raw, shuffled."""
    executor = LosingExecutor("attack", number, lost)
    result = audit_fixture(FIXTURES["independent"], 0.5, SETUP, 0, executor)
    assert executor.lost_count == 1
    assert result.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_selected_attacker_lost_on_test_people_is_no_pass(lost: Exception, number: int) -> None:
    executor = LosingExecutor("test", number, lost)
    result = audit_fixture(FIXTURES["independent"], 0.5, SETUP, 0, executor)
    assert executor.lost_count == 1
    assert result.verdict == "INCONCLUSIVE"
    lost_on_test = f"{failure(lost)} on attacker-test"
    assert [run.status for run in result.report.attacks].count(lost_on_test) == 1
    assert any(lost_on_test in reason for reason in result.reasons)


class ModifiedFixture:
    """The fixture `independent` with modified features."""

    name, kind = "independent", FIXTURES["independent"].kind

    def __init__(self, modify: Callable[[Any], Any]) -> None:
        self.modify = modify

    def draw(self, people: int, accuracy: float, rng: np.random.Generator) -> Any:
        z, u = FIXTURES["independent"].draw(people, accuracy, rng)
        return self.modify(z), u

    def bayes(self, accuracy: float) -> float:
        return 0.5

    about = "modified features"

    def predict(self, z: Any) -> Any:
        return np.zeros(len(z), dtype=np.int64)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_features_are_no_pass(value: float) -> None:
    def modify(z: Any) -> Any:
        z[len(z) // 2, 1] = value
        return z

    result = audit_fixture(ModifiedFixture(modify), 0.5, SETUP, 0)
    assert result.verdict == "INCONCLUSIVE"
    assert result.report.strongest is None


def test_constant_features_pass() -> None:
    result = audit_fixture(ModifiedFixture(np.ones_like), 0.5, SETUP, 0)
    assert result.verdict == "PASS"
    assert result.report.strongest is not None
    assert result.report.strongest.balanced_accuracy == 0.5
