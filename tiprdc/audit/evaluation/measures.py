"""Measures other than attribute inference: submits their tasks and collects their figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.measures import linkability, membership, reconstruction
from tiprdc.audit import tasks
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import failure
from tiprdc.audit.representations import Representations
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import Measure
from tiprdc.statistics.sampling import one_a_person

Key = tuple[str, str]
"""(family, representation)."""
MeasuresByFamily = dict[str, tuple[Measure, ...] | str]
"""Family -> its figures, or the reason why there are none."""
EXPECTED_SECONDS = {
    "membership": 8.0,
    "linkability": 4.0,
    "reconstruction": 8.0,
}
"""Rough seconds of a task on a slow core."""
MAX_FRESH = 12_000
"""Most fresh people of each split that members are compared with."""
_PARTS = ("fit", "select", "test")


def submit_measures(
    plan: Plan, represented: Representations, decoders: Mapping[str, Any]
) -> dict[Key, Any]:
    """Submit the tasks of the planned measures.

    Args:
        plan: The audit's plan.
        represented: The attackers' records.
        decoders: Representation -> a task for its decoder, where records are reconstructed.

    Returns:
        (family, representation) -> its task.
    """
    submitted: dict[Key, Any] = {}
    for family, family_tasks in (
        ("linkability", _linkability(plan, represented)),
        ("membership", _membership(plan, represented)),
        ("reconstruction", _reconstruction(plan, represented, decoders)),
    ):
        if family in planned_families(plan):
            submitted |= {(family, name): task for name, task in family_tasks}
    return submitted


def planned_families(plan: Plan) -> tuple[str, ...]:
    """The families of a plan; retrieval belongs to `reconstruction`."""
    return (*plan.measures, "reconstruction") if plan.reconstruction else plan.measures


def group_by_family(plan: Plan, evidence: Evidence, results: Mapping[Key, Any]) -> MeasuresByFamily:
    """Figures by family; a failed task gives a reason in place of the figures."""
    measures: MeasuresByFamily = {}
    for family in planned_families(plan):
        if family == "worst_people":
            continue
        family_results = [result for (name, _), result in results.items() if name == family]
        failed = [result for result in family_results if isinstance(result, Exception)]
        if failed:
            measures[family] = failure(failed[0])
        else:
            figures = tuple(measure for result in family_results for measure in result)
            measures[family] = figures or _reason_missing(family, evidence)
    return measures


def _reason_missing(family: str, evidence: Evidence) -> str:
    if family == "linkability":
        return f"fewer than {linkability.MIN_PEOPLE} people of attacker-test have several records"
    if family == "membership" and evidence.members is None:
        return "who the extractor was trained on is not known"
    if family == "membership":
        return f"fewer than {membership.MIN_PEOPLE} people of a kind"
    return "too few records"


def _representations(evidence: Evidence) -> tuple[str, ...]:
    """Representations to measure; raw text is left out, as distances of token ids mean nothing."""
    raw = () if evidence.schema.modality == "text" else ("raw",)
    return (*evidence.models, *raw)


def _people_of_parts(represented: Representations) -> list[NDArray[np.str_]]:
    parts = (represented.pools.fit, represented.evidence.select, represented.evidence.test)
    return [part.person for part in parts]


def _linkability(plan: Plan, represented: Representations) -> Iterator[tuple[str, Any]]:
    evidence = represented.evidence
    pairs = linkability.record_pairs(evidence.test.person, plan.sample_seed)
    if len(pairs) < linkability.MIN_PEOPLE:
        return
    person = tuple(_people_of_parts(represented))
    for name in _representations(evidence):
        z = [represented.part(part)[name] for part in _PARTS]
        yield name, represented.executor.submit(
            tasks.measure_linkability, *z, person, plan.policy.confidence, plan.sample_seed, name
        )  # fmt: skip


def _membership(plan: Plan, represented: Representations) -> Iterator[tuple[str, Any]]:
    if represented.pools.members is None:
        return
    rows = tuple(
        _people(person, plan.sample_seed)[:MAX_FRESH] for person in _people_of_parts(represented)
    )
    for name in _representations(represented.evidence):
        if name != "unprotected":
            z = [represented.part(part)[name] for part in _PARTS]
            yield name, represented.executor.submit(
                tasks.measure_membership, represented.part("sample")[name], *z, rows,
                plan.policy.confidence, plan.sample_seed, name,
            )  # fmt: skip


def _reconstruction(
    plan: Plan, represented: Representations, decoders: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    evidence = represented.evidence
    test = evidence.test
    rows = np.sort(_people(test.person, plan.sample_seed)[: reconstruction.MAX_SCORED])
    for name, decoder in decoders.items():
        yield name, represented.executor.submit(
            tasks.measure_retrieval, evidence.schema, decoder, represented.part("test")[name],
            test.x, rows, plan.policy.confidence, name,
        )  # fmt: skip


def _people(person: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    return one_a_person(person, np.random.default_rng(seed))
