"""The fault matrix: what can go wrong with an audit's evidence. None of it may end in PASS.

Each fault takes the evidence of an audit that passes and breaks one thing, as a crash, an edit or a
mistake would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from tiprdc.audit.plan import Representation
from tiprdc.audit.report_document import Estimate
from tiprdc.selftest.small_audit import ATTRIBUTE, Case

Fault = Callable[[Case], Case]
OTHER = "f" * 64
"""The digest of something else."""


def _fails(representation: Representation, reason: str) -> Fault:
    """The first attack on this representation ended like that."""
    return lambda e: _rerun(e, representation, select=None, status=f"failed: {reason}")


def _rerun(case: Case, representation: Representation, **changes: Any) -> Case:
    place = next(n for n, run in enumerate(case.attacks) if run.representation == representation)
    runs = list(case.attacks)
    runs[place] = replace(runs[place], **changes)
    return replace(case, attacks=tuple(runs))


def _forget(representation: Representation) -> Fault:
    """The last attack on this representation left no trace."""

    def fault(case: Case) -> Case:
        place = max(n for n, run in enumerate(case.attacks) if run.representation == representation)
        return replace(case, attacks=case.attacks[:place] + case.attacks[place + 1 :])

    return fault


def _strongest(**changes: Any) -> Fault:
    def fault(case: Case) -> Case:
        assert case.strongest is not None
        return replace(case, strongest=replace(case.strongest, **changes))

    return fault


def _control(name: str, rate: float | None) -> Fault:
    """A control says this in place of what it said; None: it is missing."""

    def fault(case: Case) -> Case:
        people = case.plan.people[ATTRIBUTE]
        said = None
        if rate is not None and math.isnan(rate):
            said = replace(Estimate.of(name, 1, people, 0.95), low=rate, balanced_accuracy=rate)
        elif rate is not None:
            said = Estimate.of(name, round(rate * people), people, 0.95)
        return replace(case, controls={**case.controls, name: said})

    return fault


def _edited(**changes: Any) -> Fault:
    """The plan was changed after attacker-test was attacked."""
    return lambda e: replace(e, plan=replace(e.plan, **changes))


def _lenient(case: Case) -> Case:
    policy = structs.replace(case.plan.policy, margin=0.5)
    return replace(case, plan=replace(case.plan, policy=policy))


def _replanned(**changes: Any) -> Fault:
    """Planned so from the start: the noted digest is that of this plan."""

    def fault(case: Case) -> Case:
        plan = replace(case.plan, **changes)
        return replace(case, plan=plan, noted=plan.sha256)

    return fault


FAULTS: dict[str, Fault] = {
    "an attack was killed": _fails("released", "WorkerCrashedError"),
    "an attack ran out of memory": _fails("released", "OutOfMemoryError"),
    "an attack timed out": _fails("released", "out of time (cluster.most_seconds)"),
    "an attack met NaN": _fails("released", "ValueError: the attacker gives NaN"),
    "an attack scored NaN": lambda e: _rerun(e, "released", select=math.nan),
    "an attack has a score but failed": lambda e: _rerun(e, "released", status="failed: killed"),
    "an attack is ok but has no score": lambda e: _rerun(e, "released", select=None),
    "an attack is missing": _forget("released"),
    "an attack ran on another seed": lambda e: _rerun(e, "released", seed=99),
    "no attack ran": lambda e: replace(e, attacks=()),
    "the positive control was killed": _fails("raw", "WorkerCrashedError"),
    "the positive control did not run": _forget("raw"),
    "the negative control timed out": _fails("shuffled", "out of time"),
    "the negative control did not run": _forget("shuffled"),
    "nothing was selected": lambda e: replace(e, strongest=None),
    "the upper bound is NaN": _strongest(high=math.nan),
    "the lower bound is NaN": _strongest(low=math.nan),
    "the figure is NaN": _strongest(balanced_accuracy=math.nan),
    "the figure is infinite": _strongest(high=math.inf),
    "the figure is impossible": _strongest(balanced_accuracy=-0.1),
    "the positive control is missing": _control("raw", None),
    "the positive control is NaN": _control("raw", math.nan),
    "the positive control is silent": _control("raw", 0.5),
    "the negative control is missing": _control("shuffled", None),
    "the negative control is NaN": _control("shuffled", math.nan),
    "labels reach attackers past the features": _control("shuffled", 0.7),
    "labels were swapped": lambda e: _control("raw", 0.02)(e),
    "the released file was swapped": lambda e: replace(e, model_sha256=OTHER),
    "the released file was truncated": lambda e: replace(e, model_sha256=e.model_sha256[::-1]),
    "the control's file was swapped": lambda e: replace(e, unprotected_sha256=OTHER),
    "the data were swapped": lambda e: replace(e, data_digest=OTHER),
    "the margin was edited after the attacks": _lenient,
    "an attack was struck from the plan": _edited(attacks=("logistic_regression",)),
    "the seeds were edited": _edited(seeds=(0, 1)),
    "the test sample was drawn again": _edited(sample_seed=1),
    "the people were edited": _edited(people={ATTRIBUTE: 10_000_000}),
    "an attribute was added to the plan": _edited(private={ATTRIBUTE: ("0", "1"), "v": ("0", "1")}),
    "the noted plan is another one": lambda e: replace(e, noted=OTHER),
    "the verdict of another model is replayed": lambda e: replace(
        e, plan=replace(e.plan, model_sha256=OTHER), model_sha256=OTHER
    ),
    "the suite is another one": _replanned(suite_version="0.0.0"),
    "there are too few people": _replanned(people={ATTRIBUTE: 30}),
    "the policy compares with a floor that is missing": lambda e: _replanned(
        policy=structs.replace(e.plan.policy, against="floor")
    )(e),
}
"""What happened -> the evidence of a clean audit, broken by it."""
