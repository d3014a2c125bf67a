"""Is the second of two models leakier than the first, on the same people?

Both are attacked by the same suite; of each, the attacker chosen on attacker-select decides once on
the same balanced sample of attacker-test, and the decisions are compared person by person.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import structs

from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import digest_of
from tiprdc.audit.executor import MOST_SECONDS, InProcess, ProgressCallback
from tiprdc.audit.foreign_inputs import AuditRequest, load_evidence
from tiprdc.audit.ledger import beside
from tiprdc.audit.protocol import attack
from tiprdc.audit.report_document import Estimate
from tiprdc.audit.run import make_plan
from tiprdc.audit.scoring import Scored
from tiprdc.statistics.binomial import prior
from tiprdc.statistics.paired import PairedDifference, paired_difference

Answer = Literal["LEAKIER", "NOT LEAKIER", "UNDECIDED"]
FILE = "comparison.json"
_MORE_PEOPLE = "take more people, or lower min_people in a file for --policy"


@dataclass(frozen=True, kw_only=True)
class ComparedAttribute:
    """What the comparison says about one private attribute.

    Args:
        answer: About the second model.
        first, second: Each model's strongest attacker; None if none finished.
        paired: The difference; None if there is none.
        reasons: Why it is not settled.
    """

    answer: Answer
    first: Estimate | None
    second: Estimate | None
    paired: PairedDifference | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same people.

    Args:
        answer: LEAKIER if one attribute is; NOT LEAKIER if none is, by more than `tolerance`.
        tolerance: Points of balanced accuracy / 100.
        confidence: Of all bounds together: each holds at 1 - (1 - confidence) / attributes.
        models: Digests of both.
        data_digest: What they were compared on.
    """

    answer: Answer
    tolerance: float
    confidence: float
    models: tuple[str, str]
    data_digest: str
    attributes: dict[str, ComparedAttribute]


def compare(
    request: AuditRequest,
    config: AuditConfig,
    tolerance: float,
    out: Path,
    watch: ProgressCallback,
    most_seconds: float = MOST_SECONDS,
) -> Comparison:
    """Attack both models and write `comparison.json`.

    Args:
        request: Two files, on whom.
        config: Who attacks, how hard.
        tolerance: By how much the second may be leakier and still count as not leakier.
        out: Folder for the findings.
        watch: Told of the progress.
        most_seconds: What is not finished after this counts as failed, for each model.

    Raises:
        ModelError, DataError, ConfigError: As an audit does.
    """
    pair = load_evidence(request, lambda share: watch("read", share))
    lean_config = structs.replace(config, reconstruction=False)
    lean = [replace(e, schema=replace(e.schema, utility=())) for e in pair]
    plans = [make_plan(lean_config, e, _MORE_PEOPLE) for e in lean]
    for plan, evidence in zip(plans, lean, strict=True):
        beside(request.data).enter(plan, digest_of(evidence.test))
    scored = [
        Scored(plan, evidence, attack(plan, evidence, InProcess(_named(watch, name)), most_seconds))
        for plan, evidence, name in zip(plans, lean, ("first", "second"), strict=True)
    ]
    found = compared(scored[0], scored[1], tolerance)
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(asdict(found), indent=1, allow_nan=False) + "\n")
    return found


def compared(first: Scored, second: Scored, tolerance: float) -> Comparison:
    """The answer, from what both models' attackers said."""
    confidence = first.plan.policy.confidence
    each = 1 - (1 - confidence) / len(first.plan.private)
    attributes = {
        name: _attribute(name, first, second, each, tolerance) for name in first.plan.private
    }
    answers = {found.answer for found in attributes.values()}
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
        attributes=attributes,
    )


def _attribute(
    name: str, first: Scored, second: Scored, confidence: float, tolerance: float
) -> ComparedAttribute:
    reasons = [*_lacking(name, first, "first"), *_lacking(name, second, "second")]
    said = [scored.said(name, "released") for scored in (first, second)]
    estimates = [scored.estimate(name, "released") for scored in (first, second)]
    if said[0] is None or said[1] is None:
        return ComparedAttribute(
            answer="UNDECIDED", first=estimates[0], second=estimates[1], paired=None,
            reasons=tuple(reasons),
        )  # fmt: skip
    truth = first.truth(name, "released")
    right = [np.argmax(each, axis=1) == truth for each in said if each is not None]
    paired = paired_difference(right[0], right[1], confidence)
    leakier = paired.p_value < 1 - confidence and paired.difference > 0
    within = paired.high <= tolerance
    if not leakier and not within:
        reasons.append(
            f"{name}: the second model may be leakier by up to {100 * paired.high:.1f} points,"
            f" more than the tolerance of {100 * tolerance:.1f}: more people would tell."
        )
    # What was seen stands, whatever is missing; what was not seen needs everything.
    answer: Answer = "LEAKIER" if leakier else "UNDECIDED" if reasons else "NOT LEAKIER"
    return ComparedAttribute(
        answer=answer, first=estimates[0], second=estimates[1], paired=paired,
        reasons=tuple(reasons),
    )  # fmt: skip


def _lacking(name: str, scored: Scored, which: str) -> list[str]:
    """What a comparison that finds nothing would hide behind."""
    found = [
        f"{name}: {run.attack} on the {which} model (seed {run.seed}) {run.status}."
        for run in scored.runs(name)
        if run.status != "ok"
    ]
    raw = scored.estimate(name, "raw")
    if raw is None or raw.low <= prior(len(scored.plan.private[name])):
        found.append(
            f"{name}: attackers do not find it in the raw record, and what they do not find in"
            " features proves nothing."
        )
    return found


def _named(watch: ProgressCallback, name: str) -> ProgressCallback:
    return lambda label, share: watch(f"{name}, {label}", share)
