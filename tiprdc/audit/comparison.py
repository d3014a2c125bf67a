"""Compares two models on the same people: is the second leakier than the first?

Both are attacked by the same suite. For each, the attacker selected on attacker-select predicts
once on the same balanced sample of attacker-test; the predictions are compared person by person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import structs

from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.metrics import mean_kept
from tiprdc.audit.evaluation.scoring import Scored
from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.executor import DEFAULT_TIMEOUT, InProcess, ProgressCallback
from tiprdc.audit.foreign.request import MORE_PEOPLE
from tiprdc.audit.ledger import user_ledger
from tiprdc.audit.protocol import attack, check_models
from tiprdc.audit.run import make_plan
from tiprdc.formats.audit_report import Estimate
from tiprdc.formats.decoding import encode
from tiprdc.statistics.binomial import prior
from tiprdc.statistics.paired import PairedDifference, paired_difference

Answer = Literal["LEAKIER", "NOT LEAKIER", "UNDECIDED"]
FILE = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class AttributeComparison:
    """The comparison on one private attribute.

    Args:
        answer: Of the second model against the first.
        first, second: Each model's strongest attacker; None if none finished.
        projected: Upper bound of each for the policy's attacker, by its learning curve; None if
            there is none.
        paired: The paired difference; None if an attacker is missing.
        reasons: Why the answer is undecided.
    """

    answer: Answer
    first: Estimate | None
    second: Estimate | None
    projected: tuple[float | None, float | None]
    paired: PairedDifference | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    """What each model keeps of one unseen task. It decides nothing.

    Args:
        prior: Best guess without features, 0 to 1.
        first, second: The probe on each model's features; None if none finished.
        kept: Of each, the share of what the raw record tells; None where that tells nothing.
    """

    prior: float
    first: Estimate | None
    second: Estimate | None
    kept: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of two models on the same people.

    Args:
        answer: LEAKIER if one attribute is; NOT LEAKIER if none is, by more than `tolerance`.
        tolerance: Difference in balanced accuracy, 0 to 0.5.
        confidence: Joint confidence of all bounds: each holds at 1 - (1 - confidence) / attributes.
        models: Digests of both files.
        data_digest: Digest of the data.
        kept: Of each model, the mean share of what the raw record tells of the tasks; None without
            tasks. It decides nothing.
        tasks: Each unseen task.
    """

    answer: Answer
    tolerance: float
    confidence: float
    models: tuple[str, str]
    data_digest: str
    kept: tuple[float | None, float | None]
    attributes: dict[str, AttributeComparison]
    tasks: dict[str, TaskComparison]


def compare(
    pair: tuple[Evidence, ...],
    config: AuditConfig,
    tolerance: float,
    out: Path,
    progress: ProgressCallback,
    timeout: float = DEFAULT_TIMEOUT,
) -> Comparison:
    """Attack both models and write `comparison.json`.

    Args:
        pair: Of two files on the same people.
        config: Attacks, effort and policy.
        tolerance: Largest difference that still counts as not leakier.
        out: Folder for `comparison.json`.
        progress: Called with the progress.
        timeout: Seconds for each model; attacks unfinished then count as failed.

    Raises:
        ModelError, DataError: As an audit does.
    """
    lean = structs.replace(config, reconstruction=False, alternatives=False)
    plans = [make_plan(lean, evidence, MORE_PEOPLE) for evidence in pair]
    for evidence in pair:
        check_models(evidence, InProcess())
    for plan, evidence in zip(plans, pair, strict=True):
        user_ledger().record_audit(plan, digest_of(evidence.test))
    scored = [
        Scored(
            plan, evidence, attack(plan, evidence, InProcess(_prefixed(progress, name)), timeout)
        )
        for plan, evidence, name in zip(plans, pair, ("first", "second"), strict=True)
    ]
    comparison = compare_scores(scored[0], scored[1], tolerance)
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(encode(comparison))
    return comparison


def compare_scores(first: Scored, second: Scored, tolerance: float) -> Comparison:
    """The comparison, from the predictions of both models' attackers."""
    confidence = first.plan.policy.confidence
    each = 1 - (1 - confidence) / len(first.plan.private)
    attributes = {
        name: _compare_attribute(name, first, second, each, tolerance)
        for name in first.plan.private
    }
    answers = {attribute.answer for attribute in attributes.values()}
    answer: Answer = "UNDECIDED"
    if "LEAKIER" in answers:
        answer = "LEAKIER"
    elif answers == {"NOT LEAKIER"}:
        answer = "NOT LEAKIER"
    return Comparison(
        answer=answer,
        tolerance=tolerance,
        confidence=confidence,
        models=(first.plan.model_sha256, second.plan.model_sha256),
        data_digest=first.plan.data_digest,
        kept=(_kept(first), _kept(second)),
        attributes=attributes,
        tasks={name: _compare_task(name, first, second) for name in first.plan.utility},
    )


def _compare_attribute(
    name: str, first: Scored, second: Scored, confidence: float, tolerance: float
) -> AttributeComparison:
    reasons = [*_missing_evidence(name, first, "first"), *_missing_evidence(name, second, "second")]
    probabilities = [scored.probabilities(name, "released") for scored in (first, second)]
    estimates = [scored.estimate(name, "released") for scored in (first, second)]
    projected = (_projected(name, first), _projected(name, second))
    if probabilities[0] is None or probabilities[1] is None:
        return AttributeComparison(
            answer="UNDECIDED", first=estimates[0], second=estimates[1],
            projected=projected, paired=None,
            reasons=tuple(reasons),
        )  # fmt: skip
    truth = first.truth(name, "released")
    correct = [np.argmax(p, axis=1) == truth for p in probabilities if p is not None]
    paired = paired_difference(correct[0], correct[1], confidence)
    leakier = paired.p_value < 1 - confidence and paired.difference > 0
    within_tolerance = paired.high <= tolerance
    if not leakier and not within_tolerance:
        reasons.append(
            f"{name}: the second model may be leakier by up to {100 * paired.high:.1f} points,"
            f" more than the tolerance of {100 * tolerance:.1f}; more people would decide it."
        )
    # A detected leak stands whatever is missing; NOT LEAKIER needs complete evidence.
    answer: Answer = "LEAKIER" if leakier else "UNDECIDED" if reasons else "NOT LEAKIER"
    return AttributeComparison(
        answer=answer, first=estimates[0], second=estimates[1],
            projected=projected, paired=paired,
        reasons=tuple(reasons),
    )  # fmt: skip


def _compare_task(name: str, first: Scored, second: Scored) -> TaskComparison:
    one, other = first.task_report(name), second.task_report(name)
    return TaskComparison(
        prior=one.prior, first=one.released, second=other.released, kept=(one.kept, other.kept)
    )


def _kept(scored: Scored) -> float | None:
    names = (name for name in scored.plan.utility if name not in scored.plan.told)
    return mean_kept({name: scored.task_report(name) for name in names})


def _projected(name: str, scored: Scored) -> float | None:
    """Upper bound for the policy's attacker."""
    curves = scored.curves(name)
    return None if isinstance(curves, str) or not curves else curves[0].projection.high


def _missing_evidence(name: str, scored: Scored, which: str) -> list[str]:
    """Reasons why the absence of a leak would prove nothing."""
    reasons = [
        f"{name}: {run.attack} on the {which} model (seed {run.seed}) {run.status}."
        for run in scored.runs(name)
        if run.status != "ok"
    ]
    raw = scored.estimate(name, "raw")
    if raw is None or raw.low <= prior(len(scored.plan.private[name])):
        reasons.append(
            f"{name}: attacks on the raw record do not find it, so its absence from the features"
            " proves nothing."
        )
    return reasons


def _prefixed(progress: ProgressCallback, name: str) -> ProgressCallback:
    return lambda label, share: progress(f"{name}, {label}", share)
