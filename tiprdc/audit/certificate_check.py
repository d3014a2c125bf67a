"""Computes the certificates of an `audit.json` again from their counts, offline."""

from __future__ import annotations

from collections.abc import Iterator

from tiprdc.formats.audit_bounds import Certificate
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import AuditReport
from tiprdc.statistics.certificate import code_bound

_TOLERANCE = 1e-9


def certificate_faults(name: str, stated: Certificate, plan: Plan) -> Iterator[str]:
    """Why a certificate does not follow from its counts; nothing if it does.

    Args:
        name: The private attribute.
        stated: As `audit.json` has it.
        plan: The audit's plan, which gives the confidence and the number of attributes.
    """
    if len(stated.counts) != len(plan.private[name]):
        yield f"{name}: the counts are of {len(stated.counts)} classes, the plan has others."
        return
    delta = (1 - plan.policy.confidence) / len(plan.private)
    try:
        computed = code_bound(stated.counts, delta)
    except ValueError as error:
        yield f"{name}: {error}."
        return
    pairs = {
        "cells": (stated.cells, len(stated.counts[0])),
        "in_sample": (stated.in_sample, computed.in_sample),
        "slack": (stated.slack, computed.slack),
        "bound": (stated.bound, computed.bound),
        "delta": (stated.delta, delta),
    }
    for key, (given, again) in pairs.items():
        if not abs(given - again) <= _TOLERANCE:
            yield f"{name}: {key} is {given:.6g} in the file and {again:.6g} by its counts."


def check_certificates(audit: AuditReport) -> dict[str, tuple[str, ...]]:
    """Private attribute with a certificate -> its faults."""
    return {
        name: tuple(certificate_faults(name, attribute.certificate, audit.plan))
        for name, attribute in audit.attributes.items()
        if attribute.certificate is not None
    }
