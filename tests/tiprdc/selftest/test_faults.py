"""The fault matrix: whatever is broken, no PASS. And the matrix itself could fail."""

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
from tiprdc.audit.config import PolicyConfig
from tiprdc.audit.estimate import estimate_from_counts
from tiprdc.audit.executor import TIMED_OUT, InProcess
from tiprdc.audit.verdict import conclude
from tiprdc.formats.audit_report import Verdict
from tiprdc.selftest.faults import FAULTS
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import Case, Design, Finding, audit_fixture, conclude_on, gather

DESIGN = Design(
    train=300, select=200, test=1000, attacks=("logistic_regression", "nearest_neighbours"),
    policy=PolicyConfig(min_people=100),
)  # fmt: skip


@functools.cache
def clean() -> Case:
    return gather(FIXTURES["independent"], 0.5, DESIGN, 0)


def audited(name: str = "independent", accuracy: float = 0.5) -> Finding:
    return audit_fixture(FIXTURES[name], accuracy, DESIGN, 0)


def test_without_a_fault_it_passes() -> None:
    """Else the matrix would show nothing."""
    found = conclude_on(clean())
    assert (found.verdict, found.reasons) == ("PASS", ())


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_passes(fault: str) -> None:
    found = conclude_on(FAULTS[fault](clean()))
    assert found.verdict in ("FAIL", "INCONCLUSIVE")
    assert found.reasons, "an officer must be told why"


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_breaks_something(fault: str) -> None:
    assert FAULTS[fault](clean()) != clean()


def test_a_leak_is_found_without_a_fault() -> None:
    assert audited("linear", 0.9).verdict == "FAIL"


def test_a_figure_above_the_limit_whose_lower_bound_is_not_is_inconclusive() -> None:
    people = clean().plan.people["u"]
    strongest = estimate_from_counts("logistic_regression", round(0.61 * people), people, 0.95)
    assert strongest.low < 0.6 < strongest.balanced_accuracy
    assert conclude_on(replace(clean(), strongest=strongest)).verdict == "INCONCLUSIVE"


def test_a_release_passes_only_if_every_attribute_does() -> None:
    two = {"u": ("0", "1"), "v": ("0", "1")}
    plan = structs.replace(clean().plan, private=two)
    good = conclude_on(clean()).report
    found = {}
    for verdict in get_args(Verdict):
        reports = {"u": good, "v": structs.replace(good, verdict=verdict)}
        found[verdict], _ = conclude(
            plan,
            reports,
            (),
            model_sha256=plan.model_sha256,
            unprotected_sha256=plan.unprotected_sha256,
            data_digest=plan.data_digest,
            plan_sha256=plan.sha256,
        )
    assert found == {verdict: verdict for verdict in get_args(Verdict)}


class Breaking(Attack):
    """An attack that ends badly."""

    name = "breaking"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fit(self, *given: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [MemoryError(), ValueError("NaN"), TimeoutError(), OSError(28)])
def test_an_attack_that_really_raises_is_no_pass(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(suite.ATTACKS, "nearest_neighbours", Breaking(error))
    found = audited()
    assert found.verdict == "INCONCLUSIVE"
    assert any(f"failed: {type(error).__name__}" in reason for reason in found.reasons)


def test_an_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who stops an audit gets no verdict at all."""
    monkeypatch.setitem(suite.ATTACKS, "nearest_neighbours", Breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        audited()


class Killing(InProcess):
    """Loses the result of one task, as a cluster does whose worker dies, or that is late."""

    def __init__(self, label: str, place: int, lost: Exception) -> None:
        super().__init__()
        self.label, self.place, self.lost, self.hit = label, place, lost, 0

    def collect(
        self, tasks: Mapping[Any, Any], deadline: float, label: str, cost: Callable[[Any], float]
    ) -> Iterator[tuple[Any, Any]]:
        found = super().collect(tasks, deadline, label, cost)
        for number, (key, result) in enumerate(found):
            killed = label == self.label and number == self.place % len(tasks)
            self.hit += killed
            yield key, self.lost if killed else result


LOST = [ChildProcessError("killed"), MemoryError(), TimeoutError(TIMED_OUT)]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_a_task_whose_worker_is_lost_is_no_pass(lost: Exception, place: int) -> None:
    """Any of the four mandatory fits: two on released features, raw, shuffled."""
    executor = Killing("attack", place, lost)
    found = audit_fixture(FIXTURES["independent"], 0.5, DESIGN, 0, executor)
    assert executor.hit == 1
    assert found.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_a_selected_attacker_that_is_lost_on_the_test_people_is_no_pass(
    lost: Exception, place: int
) -> None:
    executor = Killing("test", place, lost)
    found = audit_fixture(FIXTURES["independent"], 0.5, DESIGN, 0, executor)
    assert executor.hit == 1
    assert found.verdict == "INCONCLUSIVE"
    lost_on_test = f"failed: {type(lost).__name__} on attacker-test"
    assert [run.status for run in found.report.attacks].count(lost_on_test) == 1
    assert any(lost_on_test in reason for reason in found.reasons)


class Odd:
    """A fixture that draws something else."""

    name, kind = "independent", FIXTURES["independent"].kind

    def __init__(self, bend: Callable[[Any], Any]) -> None:
        self.bend = bend

    def draw(self, people: int, accuracy: float, rng: np.random.Generator) -> Any:
        z, u = FIXTURES["independent"].draw(people, accuracy, rng)
        return self.bend(z), u

    def bayes(self, accuracy: float) -> float:
        return 0.5

    about = "something odd"

    def decide(self, z: Any) -> Any:
        return np.zeros(len(z), dtype=np.int64)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_no_numbers_are_no_pass(value: float) -> None:
    def bend(z: Any) -> Any:
        z[len(z) // 2, 1] = value
        return z

    found = audit_fixture(Odd(bend), 0.5, DESIGN, 0)
    assert found.verdict == "INCONCLUSIVE"
    assert found.report.strongest is None


def test_constant_features_pass() -> None:
    found = audit_fixture(Odd(np.ones_like), 0.5, DESIGN, 0)
    assert found.verdict == "PASS"
    assert found.report.strongest is not None
    assert found.report.strongest.balanced_accuracy == 0.5
