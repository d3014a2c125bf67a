"""An audit from plan to report, in one process or on a cluster.

The plan is made and hashed first; attacks are fitted and chosen; only then is attacker-test
attacked. The same plan gives the same report.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.measures.reconstruction import MS_SSIM_PIXELS
from tiprdc.attacks.suite import ATTACKS, SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.measures import MeasuresByFamily
from tiprdc.audit.evaluation.metrics import mean_kept, mean_loss
from tiprdc.audit.evaluation.scoring import Scored
from tiprdc.audit.evidence import Evidence, digest_of, sample
from tiprdc.audit.executor import Executor
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.own_model import Model
from tiprdc.audit.plan import RECORD_PEOPLE, attacks_made, most_people, policy_of
from tiprdc.audit.pools import pools_of
from tiprdc.audit.protocol import Results, attack, check_models
from tiprdc.audit.verdict import conclude
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import DataError
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import SCHEMA_VERSION, AuditReport, SplitSize

BEYOND = "attackers with more people, more computing time or knowledge from elsewhere"
LOW_ORDER = "digits of low order: what rounding the features to two decimals would take away"
_UNTRIED = {
    "worst_people": "the people who are recognised best: every figure is an average over people",
    "linkability": "linkability: whether two records of one person can be joined by their features",
    "membership": "membership: whether a person was among those that the extractor was trained on",
}


@dataclass(frozen=True)
class Digests:
    """sha256 of the released file, of the unprotected file (or None), and of the data."""

    model: str
    unprotected: str | None
    data: str

    @classmethod
    def of(cls, evidence: Evidence) -> Digests:
        """Of loaded evidence."""
        return cls.of_files(evidence.schema, evidence.models)

    @classmethod
    def of_files(cls, schema: Schema, models: Mapping[str, Model]) -> Digests:
        """Of data and models whose records need not be loaded."""
        unprotected = models.get("unprotected")
        return cls(
            model=models["released"].sha256,
            unprotected=None if unprotected is None else unprotected.sha256,
            data=schema.digest,
        )


@dataclass(frozen=True)
class AuditResult:
    """What an audit gives.

    Args:
        report: Verdict and figures; the same for the same bytes.
        pictures: Records and their reconstructions `[P, C, H, W]`.
        seconds: Wall time of the audit.
    """

    report: AuditReport
    pictures: dict[str, NDArray[np.uint8]]
    seconds: float


def count_test_people(
    config: AuditConfig, schema: Schema, test: Records, hint: str
) -> dict[str, int]:
    """People on whom each attribute is scored.

    Args:
        config: Seed of the balanced sample, and the policy.
        schema: Describes the records.
        test: Those of attacker-test; only labels and persons are used.
        hint: How to get more people, for the error.

    Raises:
        DataError: Fewer people than the policy needs.
    """
    people = {
        name: len(sample(test, schema, name, config.sample_seed))
        for name in (*schema.private, *schema.utility)
    }
    for name in schema.private:
        each, needed = people[name] // schema.classes(name), config.policy.min_people
        if each < needed:
            here = len(np.unique(test.person))
            enough = math.ceil(here * needed / max(each, 1))
            raise DataError(
                f"attacker-test, {name}",
                f"{each:,} people of its rarest class",
                f"at least {needed:,} (audit.policy.min_people)",
                f"about {enough / here:.1f} times as many people would do ({enough:,} in"
                f" attacker-test instead of {here:,}): {hint}",
            )
    return people


def make_plan(config: AuditConfig, evidence: Evidence, hint: str) -> Plan:
    """Everything that is decided before attacker-test is attacked.

    Args:
        config: Attacks, their budget and the policy.
        evidence: Only labels and digests are used.
        hint: How to get more people, for the error.

    Raises:
        DataError: Fewer people than the policy needs.
        ConfigError: A configured attack cannot read such records, or the policy's attacker has
            fewer people than the audit's.
    """
    schema, policy, digests = evidence.schema, config.policy, Digests.of(evidence)
    people = count_test_people(config, schema, evidence.test, hint)
    pools = pools_of(evidence, config.sample_seed)
    return Plan(
        suite_version=SUITE_VERSION,
        model_sha256=digests.model,
        unprotected_sha256=digests.unprotected,
        data_digest=digests.data,
        private={name: schema.attribute(name).classes for name in schema.private},
        utility={name: schema.attribute(name).classes for name in schema.utility},
        told=tuple(name for name in schema.utility if name in evidence.told),
        people=people,
        attackers=pools.sizes,
        stack_people=len(pools.stack),
        attacks=config.attacks,
        probes=config.probes,
        raw=config.raw_attacks(schema.modality, most_people(pools.sizes)),
        seeds=config.seeds,
        budget=config.budget,
        sample_seed=config.sample_seed,
        policy=policy_of(policy, pools.sizes),
        reconstruction=config.reconstruction,
        measures=config.measures,
        alternatives=config.alternatives,
    )


def run(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    most_seconds: float,
    recompute_digests: Callable[[], Digests],
    ledger: Ledger,
) -> AuditResult:
    """Attack, judge and conclude.

    Args:
        plan: From `make_plan`, before any attack.
        evidence: Records and models.
        executor: Runs the tasks.
        most_seconds: Attacks that are not finished after this time count as failed.
        recompute_digests: Reads files and data once more, after the attacks.
        ledger: Counts uses of attacker-test.

    Raises:
        ModelError: A file cannot be run on these records, or its features of a record depend on
            the other records of a batch.
    """
    start, noted = time.monotonic(), plan.sha256
    check_models(evidence, executor)
    reuse = ledger.record_audit(plan, digest_of(evidence.test))
    scored = Scored(plan, evidence, attack(plan, evidence, executor, most_seconds))
    judged = {name: scored.attribute_report(name) for name in plan.private}
    attributes = {name: report for name, (report, _) in judged.items()}
    utility = {task: scored.task_report(task) for task in plan.utility}
    unseen = {task: one for task, one in utility.items() if task not in plan.told}
    told = {task: one for task, one in utility.items() if task in plan.told}
    digests, schema, results = recompute_digests(), evidence.schema, scored.results
    measures = scored.measures()
    verdict, reasons = conclude(
        plan,
        attributes,
        tuple(reason for _, reasons in judged.values() for reason in reasons),
        model_sha256=digests.model,
        unprotected_sha256=digests.unprotected,
        data_digest=digests.data,
        plan_sha256=noted,
        lacking=tuple(
            f"The measure {family} {why}."
            for family, why in {**measures, "alternatives": scored.results.alternatives}.items()
            if isinstance(why, str) and why.startswith("failed")
        ),
    )
    report = AuditReport(
        schema_version=SCHEMA_VERSION,
        suite_version=plan.suite_version,
        verdict=verdict,
        reasons=reasons,
        model_sha256=plan.model_sha256,
        data_digest=plan.data_digest,
        plan_sha256=noted,
        plan=plan,
        dataset=schema.dataset,
        modality=schema.modality,
        features=results.features,
        record=schema.shape,
        notes=schema.notes,
        splits={
            name: SplitSize(people=schema.people[name], records=schema.records[name])
            for name in schema.people
        },
        policy=plan.policy,
        attributes=attributes,
        utility=utility,
        mean_kept=mean_kept(unseen),
        mean_kept_told=mean_kept(told),
        mean_utility_loss=mean_loss(unseen),
        alternatives=scored.alternatives(),
        reconstruction=results.reconstruction,
        measures={f: m for f, m in measures.items() if not isinstance(m, str)},
        not_tried=tuple(_not_tried(plan, schema, results, measures)),
        reuse=reuse,
    )
    return AuditResult(report, results.pictures, time.monotonic() - start)


def _not_tried(
    plan: Plan, schema: Schema, results: Results, measures: MeasuresByFamily
) -> Iterator[str]:
    """What this audit did not try, with the reason."""
    yield from _not_reconstructed(plan, schema, results)
    if isinstance(results.alternatives, str):
        yield f"principal components with noise beside the release ({results.alternatives})"
    for name, counts in results.counts.items():
        if isinstance(counts, str):
            yield f"{name}: a bound on every attacker ({counts})"
    for name in ATTACKS:
        if ATTACKS[name].needs_records and name not in attacks_made(plan):
            why = (
                f"more than {RECORD_PEOPLE:,} people"
                if name in plan.attacks
                else "not in audit.attacks"
            )
            yield f"{name}: an attack by somebody who holds records ({why})"
    for family, question in _UNTRIED.items():
        measured = measures.get(family, "not in audit.measures")
        if isinstance(measured, str):
            yield f"{question} ({measured})"
    if not any(isinstance(counts, np.ndarray) for counts in results.counts.values()):
        yield LOW_ORDER
    yield BEYOND


def _not_reconstructed(plan: Plan, schema: Schema, results: Results) -> Iterator[str]:
    if not plan.reconstruction:
        yield "reconstruction of the record (audit.reconstruction is off)"
    elif results.reconstruction is None:
        yield "reconstruction of the record (the decoder failed)"
    elif schema.modality == "image" and min(schema.shape[1:]) < MS_SSIM_PIXELS:
        yield f"MS-SSIM of rebuilt pictures (it takes {MS_SSIM_PIXELS} pixels)"
