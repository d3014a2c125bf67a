"""An audit from plan to report: the same code in one process and on a cluster.

The plan is made and hashed first; attacks are fitted and chosen; only then is attacker-test
attacked. The same plan, the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit.attack import Results, attack
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence, digest_of, sample
from tiprdc.audit.executor import Executor
from tiprdc.audit.findings import AuditReport
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.metrics import mean_loss
from tiprdc.audit.plan import Plan
from tiprdc.audit.scored import Scored
from tiprdc.audit.verdict import conclude
from tiprdc.datasets.schema import Schema
from tiprdc.errors import DataError

NOT_TRIED = (
    "linkability: whether two records of one person can be joined by their features",
    "membership: whether a person was among those that the extractor was trained on",
    "the people who are recognised best: every figure is an average over people",
    "attackers with more people, more computing time or knowledge from elsewhere",
)


@dataclass(frozen=True)
class Digests:
    """What is really there: sha256 of the released file, of the control (or None), of the data."""

    model: str
    control: str | None
    data: str

    @classmethod
    def of(cls, evidence: Evidence) -> Digests:
        """Of what is about to be attacked."""
        control = evidence.models.get("unprotected")
        return cls(
            model=evidence.models["released"].sha256,
            control=None if control is None else control.sha256,
            data=evidence.schema.digest,
        )


@dataclass(frozen=True)
class Audited:
    """A report, and pictures `[P, C, H, W]` of records and what was rebuilt of them."""

    report: AuditReport
    pictures: dict[str, NDArray[np.uint8]]


def make_plan(config: AuditConfig, evidence: Evidence, mend: str) -> Plan:
    """Everything that is decided before attacker-test is attacked.

    Args:
        config: Who attacks, how hard, and what counts as enough.
        evidence: Only labels and digests are looked at.
        mend: Where more people come from.

    Raises:
        DataError: Fewer people than the policy needs.
        ConfigError: An attack asked for cannot read such records.
    """
    schema, policy, digests = evidence.schema, config.policy, Digests.of(evidence)
    people = {
        name: len(sample(evidence.test, schema, name, config.sample_seed))
        for name in (*schema.private, *schema.utility)
    }
    for name in schema.private:
        each = people[name] // schema.classes(name)
        if each < policy.min_people:
            raise DataError(
                f"attacker-test, {name}",
                f"{each:,} people of its rarest class",
                f"at least {policy.min_people:,} (audit.policy.min_people)",
                mend,
            )
    return Plan(
        model_sha256=digests.model,
        control_sha256=digests.control,
        data_digest=digests.data,
        private={name: schema.attribute(name).classes for name in schema.private},
        utility={name: schema.attribute(name).classes for name in schema.utility},
        people=people,
        attacks=config.attacks,
        probes=config.probes,
        raw=config.raw_attacks(schema.modality),
        seeds=config.seeds,
        budget=config.budget,
        sample_seed=config.sample_seed,
        policy=policy,
        reconstruction=config.reconstruction and schema.modality != "text",
    )


def run(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    most_seconds: float,
    again: Callable[[], Digests],
    ledger: Ledger,
) -> Audited:
    """Attack, judge and conclude.

    Args:
        plan: From `make_plan`, with nothing attacked yet.
        evidence: Records and files.
        executor: Where the work is done.
        most_seconds: What is not finished after this counts as failed.
        again: Looks at files and data once more, after the attacks.
        ledger: Where this use of attacker-test is noted.

    Raises:
        ModelError: A file cannot be run on these records.
    """
    start, noted = time.monotonic(), plan.sha256
    reuse = ledger.enter(plan, digest_of(evidence.test))
    scored = Scored(plan, evidence, attack(plan, evidence, executor, most_seconds))
    judged = {name: scored.judged(name) for name in plan.private}
    attributes = {name: report for name, (report, _) in judged.items()}
    utility = {task: scored.task(task) for task in plan.utility}
    found, schema, results = again(), evidence.schema, scored.results
    verdict, reasons = conclude(
        plan,
        attributes,
        tuple(reason for _, said in judged.values() for reason in said),
        model_sha256=found.model,
        control_sha256=found.control,
        data_digest=found.data,
        plan_sha256=noted,
    )
    report = AuditReport(
        suite_version=plan.suite_version,
        verdict=verdict,
        reasons=reasons,
        model_sha256=plan.model_sha256,
        data_digest=plan.data_digest,
        plan_sha256=noted,
        plan=asdict(plan),
        dataset=schema.dataset,
        modality=schema.modality,
        features=results.features,
        record=schema.shape,
        notes=schema.notes,
        splits={
            name: {"people": schema.people[name], "records": schema.records[name]}
            for name in schema.people
        },
        policy=asdict(plan.policy),
        attributes=attributes,
        utility=utility,
        mean_utility_loss=mean_loss(utility),
        reconstruction=results.reconstruction,
        not_tried=_not_tried(plan, schema, results),
        reuse=reuse,
        seconds=time.monotonic() - start,
    )
    return Audited(report, results.pictures)


def _not_tried(plan: Plan, schema: Schema, results: Results) -> tuple[str, ...]:
    if not plan.reconstruction:
        why = "text" if schema.modality == "text" else "audit.reconstruction is off"
        return (f"reconstruction of the record ({why})", *NOT_TRIED)
    if results.reconstruction is None:
        return ("reconstruction of the record (the decoder failed)", *NOT_TRIED)
    return NOT_TRIED
