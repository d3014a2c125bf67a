"""What is measured beside attribute inference: handed out, collected, missing and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks import linkability, membership, reconstruction
from tiprdc.attacks.suite import ATTACKS
from tiprdc.audit import tasks
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import Executor
from tiprdc.audit.plan import Job
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.sampling import one_a_person

Key = tuple[str, str]
"""Family, and representation or attribute."""
Found = dict[str, tuple[Measure, ...] | str]
"""Family -> its figures, or why there are none."""
SECONDS = {"membership": 8.0, "linkability": 4.0, "attacker_data": 2.0, "reconstruction": 8.0}
"""Of a task on a slow core, roughly."""


def hand_out(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    parts: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Any],
    chosen: Mapping[tuple[str, str], Job],
    decoders: Mapping[str, Any],
) -> dict[Key, Any]:
    """Tasks of the planned measures.

    Args:
        plan, evidence, executor: As in `attack`.
        parts: train, select and test -> representation -> what stands for the split in it.
        members: Representation -> the same for people of extractor-train.
        chosen: Target and representation -> the selected job.
        decoders: Representation -> what stands for its decoder, where records are rebuilt.
    """
    found: dict[Key, Any] = {}
    for family, hand in (
        ("linkability", _linkability(plan, evidence, executor, parts)),
        ("membership", _membership(plan, evidence, executor, parts, members)),
        ("attacker_data", _attacker_data(plan, evidence, executor, parts, chosen)),
        ("reconstruction", _reconstruction(plan, evidence, executor, parts, decoders)),
    ):
        if family in planned(plan):
            found |= {(family, name): task for name, task in hand}
    return found


def planned(plan: Plan) -> tuple[str, ...]:
    """The families of a plan; whose record it is goes with rebuilding records."""
    return (*plan.measures, "reconstruction") if plan.reconstruction else plan.measures


def collected(plan: Plan, evidence: Evidence, results: Mapping[Key, Any]) -> Found:
    """The figures by family; a task that failed leaves a reason in place of its family."""
    found: Found = {}
    for family in planned(plan):
        if family == "worst_people":
            continue
        of = [result for (name, _), result in results.items() if name == family]
        failed = [result for result in of if isinstance(result, Exception)]
        if failed:
            late = isinstance(failed[0], TimeoutError)
            found[family] = f"failed: {failed[0] if late else type(failed[0]).__name__}"
        else:
            measures = tuple(measure for result in of for measure in result)
            found[family] = measures or _missing(family, evidence)
    return found


def _missing(family: str, evidence: Evidence) -> str:
    if family == "linkability":
        return f"fewer than {linkability.FEWEST} people of attacker-test have several records"
    if family == "membership" and evidence.trained is None:
        return "who the extractor was trained on is not known"
    if family == "membership":
        return f"fewer than {membership.FEWEST} people of a kind"
    return "too few records"


def _representations(evidence: Evidence) -> tuple[str, ...]:
    """Text records are numbers of tokens: distances between them say nothing."""
    raw = () if evidence.schema.modality == "text" else ("raw",)
    return (*evidence.models, *raw)


def _linkability(
    plan: Plan, evidence: Evidence, executor: Executor, parts: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    pairs = linkability.pairs_of(evidence.test.person, plan.sample_seed)
    if len(pairs) < linkability.FEWEST:
        return
    person = tuple(part.person for part in evidence.parts.values())
    for name in _representations(evidence):
        z = [parts[part][name] for part in evidence.parts]
        yield (
            name,
            executor.submit(
                tasks.measure_linkability,
                *z,
                person,
                plan.policy.confidence,
                plan.sample_seed,
                name,
            ),
        )


def _membership(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    parts: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    rows = tuple(_people(part.person, plan.sample_seed) for part in evidence.parts.values())
    for name in _representations(evidence):
        if name in members and name != "unprotected":
            z = [parts[part][name] for part in evidence.parts]
            yield name, executor.submit(
                tasks.measure_membership, members[name], *z, rows,
                plan.policy.confidence, plan.sample_seed, name,
            )  # fmt: skip


def _attacker_data(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    parts: Mapping[str, Mapping[str, Any]],
    chosen: Mapping[tuple[str, str], Job],
) -> Iterator[tuple[str, Any]]:
    for name in plan.private:
        job = chosen.get((name, "released"))
        if job is not None:
            u = (evidence.train.labels[name], evidence.select.labels[name])
            yield name, executor.submit(
                tasks.measure_attacker_data, job, parts["train"]["released"],
                parts["select"]["released"], u, evidence.select.person,
                evidence.schema.classes(name), plan.policy.confidence,
                parts["train"]["raw"] if ATTACKS[job.attack].needs_records else None,
            )  # fmt: skip


def _reconstruction(
    plan: Plan,
    evidence: Evidence,
    executor: Executor,
    parts: Mapping[str, Mapping[str, Any]],
    decoders: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    test = evidence.test
    few = np.sort(_people(test.person, plan.sample_seed)[: reconstruction.MOST_SCORED])
    for name, decoder in decoders.items():
        yield name, executor.submit(
            tasks.measure_retrieval, evidence.schema, decoder, parts["test"][name], test.x, few,
            plan.policy.confidence, name,
        )  # fmt: skip


def _people(person: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    return one_a_person(person, np.random.default_rng(seed))
