"""Decide from an audit whether a release is allowed; yields every reason against it.

The verdict in audit.json is not trusted. Bounds are computed again from the counts and judged again
by the audit's rules, under the committed policy and the current suite of attacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from tiprdc.attacks.suite import SUITE_VERSION, AttackTrial
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.certificates import build_certificate, certificate_faults, delta_of
from tiprdc.audit.evaluation.curves import build_curve, curve_jobs, order_curves
from tiprdc.audit.evaluation.estimate import estimate_from_counts
from tiprdc.audit.plan import Job, most_people, policy_of
from tiprdc.audit.verdict import conclude, judge
from tiprdc.errors import DataError
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan, Policy, digest
from tiprdc.formats.audit_report import AttributeReport, AuditReport, Estimate, parse_audit
from tiprdc.formats.manifest import Contract
from tiprdc.statistics.binomial import prior

_TOLERANCE = 1e-9
_AUDIT_AGAIN = "audit again: `dvc repro`"


def release_blockers(
    raw: dict[str, Any], config: AuditConfig, contract: Contract, where: str
) -> Iterator[str]:
    """Reasons why an audit does not allow a release.

    Args:
        raw: A decoded audit.json.
        config: The committed settings of audits.
        contract: The release's manifest, whose digests were compared with its files.
        where: Names the audit in the reasons.
    """
    try:
        audit = parse_audit(raw, where)
        plan = audit.plan
        if not set(audit.attributes) <= set(plan.private) & set(plan.people):
            raise DataError(where, "it judges an attribute that its plan does not name")
        repeated = list(_judge_again(audit, plan, where))
    except DataError as error:
        yield f"{error.where} cannot be judged again: {error.given}: {_AUDIT_AGAIN}"
        return
    if audit.verdict != "PASS":
        text = "; ".join(audit.reasons) or "it gives no reason"
        yield f"{where} says {audit.verdict}, not PASS: {text}"
    if audit.suite_version != SUITE_VERSION:
        yield (
            f"{where} is of suite {audit.suite_version}; today's is {SUITE_VERSION}: {_AUDIT_AGAIN}"
        )
    if audit.model_sha256 != contract.model_sha256:
        yield (
            f"{where} is about model {audit.model_sha256[:12]}; the one to release is"
            f" {contract.model_sha256[:12]}: {_AUDIT_AGAIN}"
        )
    if audit.data_digest != contract.data_digest:
        yield f"{where} is about other data than the release was trained on: {_AUDIT_AGAIN}"
    if digest(raw["plan"]) != audit.plan_sha256 or plan.sha256 != audit.plan_sha256:
        yield f"{where}: the plan was changed after it was hashed: {_AUDIT_AGAIN}"
    yield from _other_settings(plan, config, audit.modality, where)
    yield from repeated


def parity_blockers(contract: Contract, tolerance: float) -> Iterator[str]:
    """Reasons against the export: it differs from torch, or was not compared."""
    largest, records = contract.parity.max_abs, contract.parity.records
    if records < 1 or not largest <= tolerance:
        yield (
            f"manifest.json: differs from torch by {largest:.2g} on {records:,} records; at most"
            f" {tolerance:g} on at least one is expected: `dvc repro export`"
        )


def variant_blockers(contract: Contract, name: str, of: str, tolerance: float) -> Iterator[str]:
    """Reasons against a variant: it is made of another file, or differs too much from it.

    Args:
        contract: Its manifest.
        name: Name that it must have.
        of: sha256 of the extractor's file.
        tolerance: Largest mean absolute difference of features.
    """
    variant = contract.variant
    if variant is None or variant.name != name:
        yield f"manifest.json of {name} is about something else: `dvc repro`"
    elif variant.of != of:
        yield f"{name} was made of model {variant.of[:12]}, not of {of[:12]}: `dvc repro`"
    elif variant.records < 1 or not variant.mean_abs <= tolerance:
        yield (
            f"{name}: differs by {variant.mean_abs:.2g} on average on {variant.records:,} records;"
            f" at most {tolerance:g} on at least one is expected: `dvc repro`"
        )


def _other_settings(plan: Plan, config: AuditConfig, modality: str, where: str) -> Iterator[str]:
    committed = {
        "policy": policy_of(config.policy, plan.attackers),
        "attacks": config.attacks,
        "probes": config.probes,
        "raw": config.raw_attacks(modality, most_people(plan.attackers)),
        "seeds": config.seeds,
        "budget": config.budget,
        "sample_seed": config.sample_seed,
        "reconstruction": config.reconstruction and modality != "text",
        "measures": config.measures,
        "alternatives": config.alternatives,
    }
    for key, value in committed.items():
        if getattr(plan, key) != value:
            yield f"{where}: audit.{key} is not what params.yaml has now: {_AUDIT_AGAIN}"


def _judge_again(report: AuditReport, plan: Plan, where: str) -> Iterator[str]:
    """Apply the audit's rules to bounds that are computed again from its counts."""
    results = {
        name: judge(
            name,
            plan,
            strongest=_from_counts(attribute.strongest, plan.policy),
            leakage=attribute.leakage.bits if attribute.leakage else None,
            controls={
                name: _from_counts(control, plan.policy)
                for name, control in structs.asdict(attribute.controls).items()
            },
            attacks=attribute.attacks,
            curves=_curves_again(attribute, plan) or "none in the report",
            certificate=_certificate_again(attribute.certificate, plan),
        )
        for name, attribute in report.attributes.items()
    }
    verdict, reasons = conclude(
        plan,
        {name: attribute for name, (attribute, _) in results.items()},
        tuple(reason for _, its_reasons in results.values() for reason in its_reasons),
        model_sha256=report.model_sha256,
        unprotected_sha256=plan.unprotected_sha256,
        data_digest=report.data_digest,
        plan_sha256=report.plan_sha256,
    )
    if verdict != report.verdict:
        yield (
            f"{where} says {report.verdict}, but its own counts say {verdict}: {'; '.join(reasons)}"
        )
    for name, (computed, _) in results.items():
        stated = report.attributes[name]
        edited = stated.certificate and any(certificate_faults(name, stated.certificate, report))
        if stated.verdict != computed.verdict or edited or _differs(stated, computed):
            yield f"{where}, {name}: figures do not follow from their counts: {_AUDIT_AGAIN}"
        if not _has_strongest_curve(name, stated, plan):
            yield (
                f"{where}, {name}: the learning curves are not of the strongest attack:"
                f" {_AUDIT_AGAIN}"
            )


def _has_strongest_curve(name: str, stated: AttributeReport, plan: Plan) -> bool:
    """Whether there is a curve of the attack that is strongest on attacker-select."""
    trials = {
        Job(name, run.representation, run.attack, run.seed, plan.budget, run.pool): AttackTrial(
            run.select, run.status, 0.0, None
        )
        for run in stated.attacks
    }
    expected = curve_jobs(plan, name, trials)[:1]
    there = {(curve.attack, curve.seed, curve.pool) for curve in stated.curves}
    return not stated.curves or all((j.attack, j.seed, j.pool) in there for j in expected)


def _from_counts(stated: Estimate | None, policy: Policy) -> Estimate | None:
    if stated is None:
        return None
    counts = (stated.correct, stated.people)
    again = estimate_from_counts(stated.attack, *counts, policy.confidence, stated.select)
    return structs.replace(again, pool=stated.pool, attacker_people=stated.attacker_people)


def _curves_again(stated: AttributeReport, plan: Plan) -> tuple[Curve, ...]:
    """The curves that follow from the stated counts.

    Raises:
        DataError: The counts do not fit.
    """
    try:
        return order_curves(
            [
                build_curve(
                    curve.attack, curve.pool, curve.seed, [point.people for point in curve.points],
                    curve.patterns, plan.policy, prior(len(stated.classes)), stated.limit,
                )
                for curve in stated.curves
            ]
        )  # fmt: skip
    except ValueError as error:
        raise DataError("curves", str(error)) from None


def _certificate_again(stated: Certificate | None, plan: Plan) -> Certificate | None:
    """The certificate that follows from the stated counts.

    Raises:
        DataError: The counts do not fit.
    """
    if stated is None:
        return None
    try:
        return build_certificate(stated.counts, delta_of(plan), stated.border)
    except ValueError as error:
        raise DataError("certificate", str(error)) from None


def _differs(stated: AttributeReport, computed: AttributeReport) -> bool:
    """Whether a stated bound or limit is not the one that counts and policy give."""
    pairs = [(stated.limit, computed.limit)]
    if stated.strongest and computed.strongest:
        pairs += [
            (stated.strongest.low, computed.strongest.low),
            (stated.strongest.high, computed.strongest.high),
        ]
    if len(stated.curves) != len(computed.curves):
        return True
    for one, again in zip(stated.curves, computed.curves, strict=True):
        pairs += [
            (one.projection.low, again.projection.low),
            (one.projection.value, again.projection.value),
            (one.projection.high, again.projection.high),
        ]
    return any(not abs(a - b) <= _TOLERANCE for a, b in pairs)
