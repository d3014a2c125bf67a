"""Certificates of an audit: how they follow from counts, and whether stated ones do; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tiprdc.formats.audit_bounds import Certificate
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import AuditReport
from tiprdc.statistics.certificate import THEOREM, code_bound

_TOLERANCE = 1e-9
_COUNTED = ("attacker-train", "attacker-test")
"""Splits whose people a certificate counts."""
_CONSTANT = (
    "The code takes one value on all these people: it hides everything because it says nothing."
)
_FINE = (
    "The code takes more values than there are people in a class: nearly every person has a value"
    " of their own, and the bound says little."
)


def delta_of(plan: Plan) -> float:
    """Chance that an attribute's bound fails: all of them hold at the policy's confidence."""
    return (1 - plan.policy.confidence) / len(plan.private)


def build_certificate(
    counts: NDArray[np.int64] | Sequence[Sequence[int]], delta: float, border: float | None
) -> Certificate:
    """The certificate that follows from counts.

    Args:
        counts: People of each class in each cell `[C, K]`.
        delta: Chance that the bound does not hold, in (0, 1).
        border: Share of records whose code another way of running the file changes.

    Raises:
        ValueError: The counts are no such table; each class needs people.
    """
    bound = code_bound(counts, delta)
    table = np.asarray(counts, np.int64)
    fine = table.shape[1] > table.sum(1).min()
    return Certificate(
        cells=table.shape[1],
        counts=tuple(tuple(int(n) for n in row) for row in table),
        in_sample=bound.in_sample,
        slack=bound.slack,
        bound=bound.bound,
        delta=delta,
        theorem=THEOREM,
        border=border,
        note=_CONSTANT if bound.is_constant else _FINE if fine else "",
    )


def certificate_faults(name: str, stated: Certificate, audit: AuditReport) -> Iterator[str]:
    """Why a certificate does not follow from its counts; nothing if it does.

    Args:
        name: The private attribute.
        stated: As `audit.json` has it.
        audit: Its report, which gives confidence, attributes and people.
    """
    plan = audit.plan
    if len(stated.counts) != len(plan.private[name]):
        yield f"{name}: the counts are of {len(stated.counts)} classes, the plan has others."
        return
    try:
        computed = build_certificate(stated.counts, delta_of(plan), stated.border)
    except ValueError as error:
        yield f"{name}: {error}."
        return
    counted = sum(sum(row) for row in stated.counts)
    there = sum(size.people for name, size in audit.splits.items() if name in _COUNTED)
    if counted > there:
        yield f"{name}: {counted:,} people are counted, and the splits have {there:,}."
    for key in ("cells", "in_sample", "slack", "bound", "delta"):
        given, again = getattr(stated, key), getattr(computed, key)
        if not abs(given - again) <= _TOLERANCE:
            yield f"{name}: {key} is {given:.6g} in the file and {again:.6g} by its counts."


def check_certificates(audit: AuditReport) -> dict[str, tuple[str, ...]]:
    """Private attribute with a certificate -> its faults."""
    return {
        name: tuple(certificate_faults(name, attribute.certificate, audit))
        for name, attribute in audit.attributes.items()
        if attribute.certificate is not None
    }
