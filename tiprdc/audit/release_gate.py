"""What speaks against a release: every reason at once, from the audit's own counts.

The verdict in audit.json is not believed. Bounds are computed again from the counts and judged
again by the audit's own rules, under the committed policy and today's suite of attacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.estimate import estimate_from_counts
from tiprdc.audit.plan import policy_of
from tiprdc.audit.verdict import conclude, judge
from tiprdc.errors import DataError
from tiprdc.formats.audit_plan import Plan, Policy, digest
from tiprdc.formats.audit_report import AttributeReport, AuditReport, Estimate, parse_audit
from tiprdc.formats.manifest import Contract

_TOLERANCE = 1e-9
_AUDITED = "audit again: `dvc repro`"


def release_blockers(
    raw: dict[str, Any], config: AuditConfig, contract: Contract, where: str
) -> Iterator[str]:
    """Why an audit does not allow a release.

    Args:
        raw: A decoded audit.json.
        config: The committed settings of audits.
        contract: The release's manifest, whose digests were compared with its files.
        where: Names the audit in sentences.
    """
    try:
        audit = parse_audit(raw, where)
        plan = audit.plan
        judged_again = list(_judged_again(audit, plan, where))
    except DataError as error:
        yield f"{error.where} cannot be judged again: {error.given}: {_AUDITED}"
        return
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"{where} cannot be judged again: {type(error).__name__} {error}: {_AUDITED}"
        return
    if audit.verdict != "PASS":
        said = "; ".join(audit.reasons) or "it gives no reason"
        yield f"{where} says {audit.verdict}, not PASS: {said}"
    if audit.suite_version != SUITE_VERSION:
        yield f"{where} is of suite {audit.suite_version}; today's is {SUITE_VERSION}: {_AUDITED}"
    if audit.model_sha256 != contract.model_sha256:
        yield (
            f"{where} is about model {audit.model_sha256[:12]}; the one to release is"
            f" {contract.model_sha256[:12]}: {_AUDITED}"
        )
    if audit.data_digest != contract.data_digest:
        yield f"{where} is about other data than the release was trained on: {_AUDITED}"
    if digest(raw["plan"]) != audit.plan_sha256 or plan.sha256 != audit.plan_sha256:
        yield f"{where}: the plan was changed after it was hashed: {_AUDITED}"
    yield from _other_settings(plan, config, audit.modality, where)
    yield from judged_again


def parity_blockers(contract: Contract, tolerance: float) -> Iterator[str]:
    """Why the export does not allow a release: it differs from torch, or was not compared."""
    largest, records = contract.parity.max_abs, contract.parity.records
    if records < 1 or not largest <= tolerance:
        yield (
            f"manifest.json: differs from torch by {largest:.2g} on {records:,} records; at most"
            f" {tolerance:g} on at least one is expected: `dvc repro export`"
        )


def variant_blockers(contract: Contract, name: str, of: str, tolerance: float) -> Iterator[str]:
    """Why a variant may not be released as one: made of another file, or too far from it.

    Args:
        contract: Its manifest.
        name: The variant that it must be.
        of: sha256 of the file that ships.
        tolerance: Largest mean absolute difference of features.
    """
    said = contract.variant
    if said is None or said.name != name:
        yield f"manifest.json of {name} is about something else: `dvc repro`"
    elif said.of != of:
        yield f"{name} was made of model {said.of[:12]}, not of {of[:12]}: `dvc repro`"
    elif said.records < 1 or not said.mean_abs <= tolerance:
        yield (
            f"{name}: differs by {said.mean_abs:.2g} on average on {said.records:,} records; at"
            f" most {tolerance:g} on at least one is expected: `dvc repro`"
        )


def _other_settings(plan: Plan, config: AuditConfig, modality: str, where: str) -> Iterator[str]:
    committed = {
        "policy": policy_of(config.policy),
        "attacks": config.attacks,
        "probes": config.probes,
        "raw": config.raw_attacks(modality),
        "seeds": config.seeds,
        "budget": config.budget,
        "sample_seed": config.sample_seed,
        "reconstruction": config.reconstruction and modality != "text",
        "measures": config.measures,
    }
    for key, value in committed.items():
        if getattr(plan, key) != value:
            yield f"{where}: audit.{key} is not what params.yaml has now: {_AUDITED}"


def _judged_again(report: AuditReport, plan: Plan, where: str) -> Iterator[str]:
    """The audit's own rules, on bounds that are computed again from its counts."""
    judged = {
        name: judge(
            name,
            plan,
            strongest=_counted(found.strongest, plan.policy),
            leakage=found.leakage.bits if found.leakage else None,
            controls={
                name: _counted(control, plan.policy)
                for name, control in structs.asdict(found.controls).items()
            },
            attacks=found.attacks,
        )
        for name, found in report.attributes.items()
    }
    again, reasons = conclude(
        plan,
        {name: found for name, (found, _) in judged.items()},
        tuple(reason for _, said in judged.values() for reason in said),
        model_sha256=report.model_sha256,
        unprotected_sha256=plan.unprotected_sha256,
        data_digest=report.data_digest,
        plan_sha256=report.plan_sha256,
    )
    if again != report.verdict:
        yield f"{where} says {report.verdict}, but its own counts say {again}: {'; '.join(reasons)}"
    for name, (found, _) in judged.items():
        stated = report.attributes[name]
        if stated.verdict != found.verdict or _differs(stated, found):
            yield f"{where}, {name}: figures do not follow from their counts: {_AUDITED}"


def _counted(stated: Estimate | None, policy: Policy) -> Estimate | None:
    if stated is None:
        return None
    counts = (stated.correct, stated.people)
    return estimate_from_counts(stated.attack, *counts, policy.confidence, stated.select)


def _differs(stated: AttributeReport, again: AttributeReport) -> bool:
    """Whether a bound or the limit is another than the one that counts and policy give."""
    pairs = [(stated.limit, again.limit)]
    if stated.strongest and again.strongest:
        pairs += [
            (stated.strongest.low, again.strongest.low),
            (stated.strongest.high, again.strongest.high),
        ]
    return any(not abs(a - b) <= _TOLERANCE for a, b in pairs)
