"""The fault matrix: whatever is broken, no PASS. And the matrix itself could fail."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from tiprdc.attacks import suite
from tiprdc.attacks.attack import Attack
from tiprdc.audit import PolicyConfig
from tiprdc.selftest.faults import FAULTS
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.miniature import Design, Evidence, Finding, audit_fixture, conclude_on, gather

DESIGN = Design(
    train=300, select=200, test=1000, attacks=("logistic_regression", "nearest_neighbours"),
    policy=PolicyConfig(min_people=100),
)  # fmt: skip


@functools.cache
def clean() -> Evidence:
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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_no_numbers_are_no_pass(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(people: int, accuracy: float, rng: np.random.Generator) -> Any:
        z, u = FIXTURES["independent"].draw(people, accuracy, rng)
        z[people // 2, 1] = value
        return z, u

    fixture = Odd("independent", draw)
    found = audit_fixture(fixture, 0.5, DESIGN, 0)  # type: ignore[arg-type]  # it has what counts
    assert found.verdict == "INCONCLUSIVE"
    assert found.report.strongest is None


class Odd:
    """A fixture that draws something else."""

    def __init__(self, name: str, draw: Any) -> None:
        self.name, self.kind, self.draw = name, FIXTURES[name].kind, draw


def test_constant_features_pass() -> None:
    def draw(people: int, accuracy: float, rng: np.random.Generator) -> Any:
        _, u = FIXTURES["independent"].draw(people, accuracy, rng)
        return np.ones((people, 3), np.float32), u

    found = audit_fixture(Odd("independent", draw), 0.5, DESIGN, 0)  # type: ignore[arg-type]
    assert found.verdict == "PASS"
    assert found.report.strongest is not None
    assert found.report.strongest.balanced_accuracy == 0.5


def test_an_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who stops an audit gets no verdict at all."""
    monkeypatch.setitem(suite.ATTACKS, "nearest_neighbours", Breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        audited()
