"""The verdict of an audit: missing, failed or unmatched evidence can only make it worse.

PASS needs every planned attack to finish, both controls to behave, and two upper bounds within the
policy's limit: the exact one of the strongest attack, and the one that its learning curve projects
to the policy's number of people. A certificate within the limit is a PASS by itself, as it bounds
every attacker. Figures that are missing, NaN or about other bytes than the plan's never lead to
PASS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tiprdc.attacks.suite import SUITE_VERSION
from tiprdc.audit.plan import mandatory_runs
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan, Policy, Representation
from tiprdc.formats.audit_report import (
    AttackRun,
    AttributeReport,
    Controls,
    Estimate,
    Leakage,
    Verdict,
)
from tiprdc.formats.numbers import count, percent
from tiprdc.statistics.binomial import lower_bound, people_needed, prior

FALSE_ALARM = 0.001
"""Chance, over all private attributes, that the shuffled control fires though nothing is wrong."""
LEAKAGE_ESTIMATOR = "log2 K minus the selected attacker's cross-entropy: a lower bound"


def limit_of(policy: Policy, classes: int, floor: float | None) -> float:
    """Highest allowed upper bound of balanced accuracy.

    Args:
        policy: Margin and baseline.
        classes: K of the private attribute.
        floor: Label floor, 0 to 1; None if there is none.
    """
    baseline = prior(classes)
    if policy.against == "floor" and floor is not None:
        baseline = max(baseline, floor)
    return min(1.0, baseline + policy.margin)


def judge(
    name: str,
    plan: Plan,
    *,
    strongest: Estimate | None,
    leakage: float | None,
    controls: Mapping[str, Estimate | None],
    attacks: tuple[AttackRun, ...],
    curves: tuple[Curve, ...] | str,
    certificate: Certificate | None,
) -> tuple[AttributeReport, tuple[str, ...]]:
    """The verdict on one private attribute, and its reasons if it is not PASS.

    Args:
        name: Of the attribute.
        plan: As hashed.
        strongest: The attack selected on released features, on attacker-test.
        leakage: Its `leakage_bits`.
        controls: "raw", "unprotected", "shuffled" and "floor", None where there is none.
        attacks: Every run.
        curves: Learning curves of the strongest attacks, the highest projection first, or the
            reason why there are none.
        certificate: The bound on every attacker; None: features are not a code.
    """
    classes, policy = plan.private[name], plan.policy
    floor = _value(controls.get("floor"))
    limit = limit_of(policy, len(classes), floor)
    certified = certificate is not None and certificate.bound <= limit
    wrong = _exposed(name, strongest, limit) + _alarm(name, plan, controls.get("shuffled"))
    lacking: tuple[str, ...] = ()
    if not certified:
        wrong += _exposed_later(name, curves, limit)
        lacking = _lacking(name, plan, attacks, controls, limit)
        lacking += _uncertain_later(name, curves, limit) if not wrong else ()
        lacking += _demanded(name, policy, certificate, limit)
    people = plan.people[name]
    if people < policy.min_people * len(classes):
        lacking += (
            (
                f"{name}: {people:,} people are fewer than the policy's {policy.min_people:,} of"
                f" each of {len(classes)} classes."
            ),
        )
    needed = None
    if certified:
        pass
    elif not _sound(strongest):
        lacking += (f"{name}: there is no finite figure for the selected attack.",)
    elif strongest and not wrong and strongest.high > limit:
        needed = _needed(strongest, limit, classes, policy)
        lacking += (_undecided(name, strongest, limit, needed),)
    verdict: Verdict = "FAIL" if wrong else "INCONCLUSIVE" if lacking else "PASS"
    report = AttributeReport(
        classes=classes,
        verdict=verdict,
        prior=prior(len(classes)),
        floor=floor,
        ceiling=_value(controls.get("raw")),
        limit=limit,
        people=people,
        strongest=_if_sound(strongest),
        leakage=_leakage(leakage),
        controls=Controls(
            raw=_if_sound(controls.get("raw")),
            unprotected=_if_sound(controls.get("unprotected")),
            shuffled=_if_sound(controls.get("shuffled")),
            floor=_if_sound(controls.get("floor")),
        ),
        people_needed=needed,
        curves=curves if isinstance(curves, tuple) else (),
        certificate=certificate,
        attacks=attacks,
    )
    return report, wrong + lacking


def conclude(
    plan: Plan,
    attributes: Mapping[str, AttributeReport],
    reasons: tuple[str, ...],
    *,
    model_sha256: str,
    unprotected_sha256: str | None,
    data_digest: str,
    plan_sha256: str,
    lacking: tuple[str, ...] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the release, and its reasons if it is not PASS.

    Args:
        plan: As it is now.
        attributes: Each judged.
        reasons: Of all of them.
        model_sha256, unprotected_sha256, data_digest: Of what was attacked.
        plan_sha256: As noted before attacker-test was attacked.
        lacking: Planned measures that did not finish.
    """
    all_judged = bool(plan.private) and set(attributes) == set(plan.private)
    checks = (
        (model_sha256 == plan.model_sha256, "The released file is not the planned one."),
        (
            unprotected_sha256 == plan.unprotected_sha256,
            "The unprotected file is not the planned one.",
        ),
        (data_digest == plan.data_digest, "The data are not the planned ones."),
        (plan_sha256 == plan.sha256, "The plan was changed after it was hashed."),
        (plan.suite_version == SUITE_VERSION, "The plan is of another suite of attacks."),
        (all_judged, "Not every private attribute was judged."),
    )
    broken = tuple(reason for holds, reason in checks if not holds) + lacking
    verdicts = {report.verdict for report in attributes.values()}
    if "FAIL" in verdicts:
        return "FAIL", reasons + broken
    if broken or verdicts != {"PASS"}:
        return "INCONCLUSIVE", reasons + broken
    return "PASS", ()


def _value(estimate: Estimate | None) -> float | None:
    return estimate.balanced_accuracy if estimate is not None and _sound(estimate) else None


def _sound(estimate: Estimate | None) -> bool:
    if estimate is None:
        return False
    figures = (estimate.balanced_accuracy, estimate.low, estimate.high)
    return all(math.isfinite(f) and 0 <= f <= 1 for f in figures)


def _if_sound(estimate: Estimate | None) -> Estimate | None:
    return estimate if _sound(estimate) else None


def _leakage(bits: float | None) -> Leakage | None:
    if bits is None or not math.isfinite(bits):
        return None
    return Leakage(bits=bits, estimator=LEAKAGE_ESTIMATOR)


def _exposed(name: str, strongest: Estimate | None, limit: float) -> tuple[str, ...]:
    if strongest is None or not strongest.low > limit:
        return ()
    reason = (
        f"{name}: {strongest.attack} recognises it with {percent(strongest.balanced_accuracy)};"
        f" the lower bound, {percent(strongest.low)}, is above the limit of {percent(limit)}."
    )
    return (reason,)


def _exposed_later(name: str, curves: tuple[Curve, ...] | str, limit: float) -> tuple[str, ...]:
    """A curve whose projected lower bound is above the limit."""
    if isinstance(curves, str):
        return ()
    for curve in curves:
        projected = curve.projection
        if projected.low > limit:
            reason = (
                f"{name}: an attacker with {count(projected.people)} people would reach"
                f" {percent(projected.value)} by the learning curve of {curve.attack}; the lower"
                f" bound, {percent(projected.low)}, is above the limit of {percent(limit)}."
            )
            return (reason,)
    return ()


def _uncertain_later(name: str, curves: tuple[Curve, ...] | str, limit: float) -> tuple[str, ...]:
    """What the learning curves leave open: none is there, or one may pass the limit."""
    if isinstance(curves, str) or not curves:
        why = curves if isinstance(curves, str) else "none was measured"
        reason = (
            f"{name}: there is no learning curve ({why}): nothing is known of larger attackers."
        )
        return (reason,)
    curve = max(curves, key=lambda one: one.projection.high)
    projected = curve.projection
    if not projected.high > limit:
        return ()
    crossing = curve.limit_people(limit)
    if crossing is not None and projected.value > limit:
        reason = (
            f"{name}: still rising: an attacker with about {count(crossing)}"
            f" people would pass {percent(limit)} ({curve.attack})."
        )
    else:
        reason = (
            f"{name}: the learning curve of {curve.attack} allows an attacker with"
            f" {count(projected.people)} people to reach {percent(projected.high)} (upper bound),"
            f" above the limit of {percent(limit)}."
        )
    return (reason,)


def _demanded(
    name: str, policy: Policy, certificate: Certificate | None, limit: float
) -> tuple[str, ...]:
    """What a policy that demands a certificate does not get."""
    if not policy.certificate:
        return ()
    if certificate is None:
        reason = f"{name}: the policy demands a certificate; features of many values have none."
        return (reason,)
    reason = (
        f"{name}: the certificate bounds every attacker by {percent(certificate.bound)}, above the"
        f" limit of {percent(limit)}."
    )
    return (reason,)


def _alarm(name: str, plan: Plan, shuffled: Estimate | None) -> tuple[str, ...]:
    """The negative control: attacks trained on shuffled labels must not beat guessing."""
    if shuffled is None:
        return ()
    classes = len(plan.private[name])
    low = lower_bound(shuffled.correct, shuffled.people, 1 - FALSE_ALARM / len(plan.private))
    if low <= prior(classes):
        return ()
    reason = (
        f"{name}: attackers that learnt from shuffled labels reach"
        f" {percent(shuffled.balanced_accuracy)} where guessing gives {percent(prior(classes))}:"
        " labels reach them past the features, and no figure here can be trusted."
    )
    return (reason,)


def _lacking(
    name: str,
    plan: Plan,
    attacks: tuple[AttackRun, ...],
    controls: Mapping[str, Estimate | None],
    limit: float,
) -> tuple[str, ...]:
    """What is missing for a PASS."""
    ran = {(run.representation, run.attack, run.seed, run.pool): run for run in attacks}
    reasons: list[str] = []
    mandatory: tuple[Representation, ...] = ("released", "raw", "shuffled")
    for representation in mandatory:
        for attack, seed, pool in mandatory_runs(plan, representation):
            run = ran.get((representation, attack, seed, pool))
            text = f"{name}: {attack} on {representation} (seed {seed}, {pool})"
            if run is None:
                reasons.append(f"{text} did not run.")
            elif run.status != "ok" or run.select is None or not math.isfinite(run.select):
                reasons.append(f"{text} {run.status}.")
    raw, shuffled = controls.get("raw"), controls.get("shuffled")
    if raw is None or not _sound(raw):
        reasons.append(f"{name}: there is no figure for the raw record, the positive control.")
    elif not raw.low > limit:
        reasons.append(
            f"{name}: on the raw record {raw.attack} reaches {percent(raw.balanced_accuracy)}; its"
            f" lower bound, {percent(raw.low)}, is not above the limit of {percent(limit)}, and"
            " attackers that cannot find it there prove nothing here."
        )
    if not _sound(shuffled):
        reasons.append(f"{name}: there is no figure for shuffled labels, the negative control.")
    if plan.policy.against == "floor" and not _sound(controls.get("floor")):
        reasons.append(f"{name}: the policy compares with the label floor, and there is none.")
    return tuple(reasons)


def _needed(
    strongest: Estimate, limit: float, classes: tuple[str, ...], policy: Policy
) -> int | None:
    rate = max(strongest.balanced_accuracy, prior(len(classes)))
    return people_needed(rate, limit, len(classes), policy.confidence)


def _undecided(name: str, strongest: Estimate, limit: float, needed: int | None) -> str:
    settle = (
        "more people alone may not settle it"
        if needed is None
        else f"about {needed:,} people would settle it"
    )
    return (
        f"{name}: {strongest.attack} recognises it with {percent(strongest.balanced_accuracy)};"
        f" the upper bound, {percent(strongest.high)}, is above the limit of {percent(limit)}:"
        f" {settle}."
    )
