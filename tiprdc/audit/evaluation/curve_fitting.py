"""Fits the attacks of learning curves on parts of their records; counts who is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiprdc.attacks.learning_curve import MIN_PEOPLE
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit import tasks
from tiprdc.audit.evaluation.curves import (
    CurveCounts,
    curve_jobs,
    fitted_people,
    parts_of,
    patterns_of,
    people_of,
)
from tiprdc.audit.evidence import sample
from tiprdc.audit.executor import Executor, failure
from tiprdc.audit.fitting import Labels, fit_groups, submit_fit
from tiprdc.audit.plan import Job, largest_pool
from tiprdc.audit.representations import Representations
from tiprdc.formats.audit_plan import Plan


@dataclass(frozen=True)
class _Point:
    """Key of a task: an attack with so many of its records."""

    job: Job
    people: int


def submit_curves(
    plan: Plan,
    represented: Representations,
    labels: Labels,
    trials: Mapping[Job, AttackTrial],
    attackers: Mapping[Job, Any],
) -> dict[_Point, Any]:
    """Tasks for whether each attack of each curve recognises each person of the balanced sample."""
    jobs = [job for name in plan.private for job in curve_jobs(plan, name, trials)]
    fitted = {_Point(job, fitted_people(plan, job)): attackers[job] for job in jobs}
    for group in fit_groups(jobs, plan.private):
        for people in parts_of(plan, group[0]):
            _, parts = submit_fit(plan, represented, labels, group, people)
            fitted |= {_Point(job, people): attacker for job, attacker in parts.items()}
    return {point: _recognised(plan, represented, point.job, fitted[point]) for point in fitted}


def _recognised(plan: Plan, represented: Representations, job: Job, attacker: Any) -> Any:
    evidence = represented.evidence
    rows = sample(evidence.test, evidence.schema, job.target, plan.sample_seed)
    truth = evidence.test.labels[job.target][rows]
    test = represented.part("test")["released"]
    return represented.executor.submit(tasks.recognise, attacker, test, rows, truth)


def collect_curves(
    plan: Plan, executor: Executor, submitted: Mapping[_Point, Any], deadline: float
) -> dict[str, tuple[CurveCounts, ...] | str]:
    """Private attribute -> its curves, or the reason why there are none."""
    outcomes = dict(
        executor.collect(submitted, deadline, "learning curve", lambda point: point.people)
    )
    curves: dict[str, tuple[CurveCounts, ...] | str] = {}
    for name in plan.private:
        points = [point for point in submitted if point.job.target == name]
        failed = [outcomes[p] for p in points if isinstance(outcomes[p], Exception)]
        if failed:
            curves[name] = failure(failed[0])
        elif points:
            curves[name] = tuple(
                _counts(job, {p.people: outcomes[p] for p in points if p.job == job})
                for job in dict.fromkeys(point.job for point in points)
            )
        else:
            curves[name] = _reason_missing(plan)
    return curves


def _counts(job: Job, correct: Mapping[int, Any]) -> CurveCounts:
    people = tuple(sorted(correct))
    return CurveCounts(job, people, patterns_of([correct[count] for count in people]))


def _reason_missing(plan: Plan) -> str:
    people = people_of(plan, largest_pool(plan))
    if people < MIN_PEOPLE:
        return f"{people:,} records are too few for one: it needs {MIN_PEOPLE:,}"
    return "no attack that is fitted on half of the records or more finished"
