"""An audit from plan to report: the same code in one process and on a cluster.

The plan is made and hashed first; attacks are fitted and chosen; only then is attacker-test
attacked. The same plan, the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.reconstruction import MS_SSIM_PIXELS
from tiprdc.attacks.suite import ATTACKS
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence, digest_of, sample
from tiprdc.audit.executor import Executor
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.measures import Found
from tiprdc.audit.metrics import mean_loss
from tiprdc.audit.own_model import Model
from tiprdc.audit.plan import Plan
from tiprdc.audit.protocol import Results, attack
from tiprdc.audit.report_document import AuditReport
from tiprdc.audit.scoring import Scored
from tiprdc.audit.verdict import conclude
from tiprdc.datasets.schema import Schema
from tiprdc.errors import DataError

BEYOND = "attackers with more people, more computing time or knowledge from elsewhere"
_UNTRIED = {
    "worst_people": "the people who are recognised best: every figure is an average over people",
    "linkability": "linkability: whether two records of one person can be joined by their features",
    "membership": "membership: whether a person was among those that the extractor was trained on",
    "attacker_data": "whether more people would still help the attacker",
}


@dataclass(frozen=True)
class Digests:
    """What is really there: sha256 of the released file, of the control (or None), of the data."""

    model: str
    unprotected: str | None
    data: str

    @classmethod
    def of(cls, evidence: Evidence) -> Digests:
        """Of what is about to be attacked."""
        return cls.of_files(evidence.schema, evidence.models)

    @classmethod
    def of_files(cls, schema: Schema, models: Mapping[str, Model]) -> Digests:
        """Of what lies there, whether or not its records were read."""
        unprotected = models.get("unprotected")
        return cls(
            model=models["released"].sha256,
            unprotected=None if unprotected is None else unprotected.sha256,
            data=schema.digest,
        )


@dataclass(frozen=True)
class AuditResult:
    """A report, and pictures `[P, C, H, W]` of records and what was rebuilt of them."""

    report: AuditReport
    pictures: dict[str, NDArray[np.uint8]]


def make_plan(config: AuditConfig, evidence: Evidence, hint: str) -> Plan:
    """Everything that is decided before attacker-test is attacked.

    Args:
        config: Who attacks, how hard, and what counts as enough.
        evidence: Only labels and digests are looked at.
        hint: Where more people come from.

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
                hint,
            )
    return Plan(
        model_sha256=digests.model,
        unprotected_sha256=digests.unprotected,
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
        reconstruction=config.reconstruction,
        measures=config.measures,
    )


def run(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    most_seconds: float,
    again: Callable[[], Digests],
    ledger: Ledger,
) -> AuditResult:
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
    measures = scored.measures()
    verdict, reasons = conclude(
        plan,
        attributes,
        tuple(reason for _, said in judged.values() for reason in said),
        model_sha256=found.model,
        unprotected_sha256=found.unprotected,
        data_digest=found.data,
        plan_sha256=noted,
        lacking=tuple(
            f"The measure {family} {why}."
            for family, why in measures.items()
            if isinstance(why, str) and why.startswith("failed")
        ),
    )
    report = AuditReport(
        suite_version=plan.suite_version,
        verdict=verdict,
        reasons=reasons,
        model_sha256=plan.model_sha256,
        data_digest=plan.data_digest,
        plan_sha256=noted,
        plan=msgspec.to_builtins(plan),
        dataset=schema.dataset,
        modality=schema.modality,
        features=results.features,
        record=schema.shape,
        notes=schema.notes,
        splits={
            name: {"people": schema.people[name], "records": schema.records[name]}
            for name in schema.people
        },
        policy=msgspec.to_builtins(plan.policy),
        attributes=attributes,
        utility=utility,
        mean_utility_loss=mean_loss(utility),
        reconstruction=results.reconstruction,
        measures={f: m for f, m in measures.items() if not isinstance(m, str)},
        not_tried=tuple(_not_tried(plan, schema, results, measures)),
        reuse=reuse,
        seconds=time.monotonic() - start,
    )
    return AuditResult(report, results.pictures)


def _not_tried(plan: Plan, schema: Schema, results: Results, measures: Found) -> Iterator[str]:
    """What this audit did not try, and why."""
    if not plan.reconstruction:
        yield "reconstruction of the record (audit.reconstruction is off)"
    elif results.reconstruction is None:
        yield "reconstruction of the record (the decoder failed)"
    elif schema.modality == "image" and min(schema.shape[1:]) < MS_SSIM_PIXELS:
        yield f"MS-SSIM of rebuilt pictures (it takes {MS_SSIM_PIXELS} pixels)"
    for name in ATTACKS:
        if ATTACKS[name].needs_records and name not in plan.attacks:
            yield f"{name}: an attack by somebody who holds records (not in audit.attacks)"
    for family, said in _UNTRIED.items():
        found = measures.get(family, "not in audit.measures")
        if isinstance(found, str):
            yield f"{said} ({found})"
    yield BEYOND
