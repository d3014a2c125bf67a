"""The fault matrix: faults in an audit's evidence, none of which may end in PASS.

Each fault takes the state of an audit that passes and breaks one thing, as a crash, an edit or a
mistake would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.formats.audit_plan import Representation
from tiprdc.selftest.small_audit import ATTRIBUTE, AuditState

Fault = Callable[[AuditState], AuditState]
OTHER = "f" * 64
"""A digest that matches nothing."""


def _fails(representation: Representation, reason: str) -> Fault:
    """The first attack on this representation failed for this reason."""
    return lambda s: _change_run(s, representation, select=None, status=f"failed: {reason}")


def _change_run(state: AuditState, representation: Representation, **changes: Any) -> AuditState:
    number = next(n for n, run in enumerate(state.attacks) if run.representation == representation)
    runs = list(state.attacks)
    runs[number] = structs.replace(runs[number], **changes)
    return replace(state, attacks=tuple(runs))


def _remove_run(representation: Representation) -> Fault:
    """The last attack on this representation is missing."""

    def fault(state: AuditState) -> AuditState:
        last = max(n for n, run in enumerate(state.attacks) if run.representation == representation)
        return replace(state, attacks=state.attacks[:last] + state.attacks[last + 1 :])

    return fault


def _strongest(**changes: Any) -> Fault:
    def fault(state: AuditState) -> AuditState:
        assert state.strongest is not None
        return replace(state, strongest=structs.replace(state.strongest, **changes))

    return fault


def _control(name: str, rate: float | None) -> Fault:
    """A control has this rate; None: it is missing."""

    def fault(state: AuditState) -> AuditState:
        people = state.plan.people[ATTRIBUTE]
        estimate = None
        if rate is not None and math.isnan(rate):
            estimate = estimate_from_counts(name, 1, people, 0.95)
            estimate = structs.replace(estimate, low=rate, balanced_accuracy=rate)
        elif rate is not None:
            estimate = estimate_from_counts(name, round(rate * people), people, 0.95)
        return replace(state, controls={**state.controls, name: estimate})

    return fault


def _edit_plan(**changes: Any) -> Fault:
    """The plan was changed after attacker-test was attacked."""
    return lambda s: replace(s, plan=structs.replace(s.plan, **changes))


def _raise_margin(state: AuditState) -> AuditState:
    policy = structs.replace(state.plan.policy, margin=0.5)
    return replace(state, plan=structs.replace(state.plan, policy=policy))


def _with_plan(**changes: Any) -> Fault:
    """The plan was so from the start: the recorded digest matches it."""

    def fault(state: AuditState) -> AuditState:
        plan = structs.replace(state.plan, **changes)
        return replace(state, plan=plan, recorded_plan_sha256=plan.sha256)

    return fault


FAULTS: dict[str, Fault] = {
    "an attack was killed": _fails("released", "WorkerCrashedError"),
    "an attack ran out of memory": _fails("released", "OutOfMemoryError"),
    "an attack timed out": _fails("released", "out of time (cluster.most_seconds)"),
    "an attack met NaN": _fails("released", "ValueError: the attacker gives NaN"),
    "an attack scored NaN": lambda s: _change_run(s, "released", select=math.nan),
    "an attack has a score but failed": lambda s: _change_run(
        s, "released", status="failed: killed"
    ),
    "an attack is ok but has no score": lambda s: _change_run(s, "released", select=None),
    "an attack is missing": _remove_run("released"),
    "an attack ran on another seed": lambda s: _change_run(s, "released", seed=99),
    "no attack ran": lambda s: replace(s, attacks=()),
    "the positive control was killed": _fails("raw", "WorkerCrashedError"),
    "the positive control did not run": _remove_run("raw"),
    "the negative control timed out": _fails("shuffled", "out of time"),
    "the negative control did not run": _remove_run("shuffled"),
    "nothing was selected": lambda s: replace(s, strongest=None),
    "the upper bound is NaN": _strongest(high=math.nan),
    "the lower bound is NaN": _strongest(low=math.nan),
    "the figure is NaN": _strongest(balanced_accuracy=math.nan),
    "the figure is infinite": _strongest(high=math.inf),
    "the figure is impossible": _strongest(balanced_accuracy=-0.1),
    "the positive control is missing": _control("raw", None),
    "the positive control is NaN": _control("raw", math.nan),
    "the positive control is at chance": _control("raw", 0.5),
    "the negative control is missing": _control("shuffled", None),
    "the negative control is NaN": _control("shuffled", math.nan),
    "labels reach attackers past the features": _control("shuffled", 0.7),
    "labels were swapped": lambda s: _control("raw", 0.02)(s),
    "the released file was swapped": lambda s: replace(s, model_sha256=OTHER),
    "the released file was truncated": lambda s: replace(s, model_sha256=s.model_sha256[::-1]),
    "the control's file was swapped": lambda s: replace(s, unprotected_sha256=OTHER),
    "the data were swapped": lambda s: replace(s, data_digest=OTHER),
    "the margin was edited after the attacks": _raise_margin,
    "an attack was struck from the plan": _edit_plan(attacks=("logistic_regression",)),
    "the seeds were edited": _edit_plan(seeds=(0, 1)),
    "the test sample was drawn again": _edit_plan(sample_seed=1),
    "the people were edited": _edit_plan(people={ATTRIBUTE: 10_000_000}),
    "an attribute was added to the plan": _edit_plan(
        private={ATTRIBUTE: ("0", "1"), "v": ("0", "1")}
    ),
    "the recorded plan is another one": lambda s: replace(s, recorded_plan_sha256=OTHER),
    "the verdict of another model is replayed": lambda s: replace(
        s, plan=structs.replace(s.plan, model_sha256=OTHER), model_sha256=OTHER
    ),
    "the suite is another one": _with_plan(suite_version="0.0.0"),
    "there are too few people": _with_plan(people={ATTRIBUTE: 30}),
    "the policy compares with a floor that is missing": lambda s: _with_plan(
        policy=structs.replace(s.plan.policy, against="floor")
    )(s),
}
"""Description of a fault -> the function that applies it to the state of a clean audit."""
