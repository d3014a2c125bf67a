"""Fits the attacks of a plan and scores them on attacker-select.

An attack that serves several targets in one fit, such as a closed-form ridge regression, is one
task for all of them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.suite import ATTACKS, AttackTrial
from tiprdc.audit import tasks
from tiprdc.audit.executor import failure
from tiprdc.audit.plan import STACK, Job, jobs_of
from tiprdc.audit.representations import Representations, features_read
from tiprdc.formats.audit_plan import Plan, Pool, Representation

_FIT_SECONDS = {
    "residual": 30.0, "decoding": 9.0, "gru": 8.0, "decensoring": 5.5, "cnn": 2.0, "ridge": 8.0,
    "mlp": 2.0, "kernel": 1.0, "recursive_features": 4.0,
}  # fmt: skip
"""Rough seconds of a fit on the demo's features on a slow core, for progress bars."""
CONTROL_PEOPLE = 4000
"""Most records for the negative control: labels that bypass the features show with few people."""
_RAW_FACTOR = 4.0
"""How many times longer a fit on raw records takes."""


def fit_attacks(
    plan: Plan, represented: Representations, labels: Labels, deadline: float
) -> tuple[dict[Job, Any], dict[Job, AttackTrial]]:
    """A task for each job's attacker, and each job's trial.

    Args:
        plan: The audit's plan.
        represented: The attackers' records.
        labels: Their class numbers.
        deadline: On the clock `time.monotonic()`.
    """
    jobs = jobs_of(plan)
    trial_tasks: dict[Job, Any] = {}
    attackers: dict[Job, Any] = {}
    groups = fit_groups(jobs, plan.private)
    for group in sorted(groups, key=lambda group: _order(group[0])):
        trials, fitted = submit_fit(plan, represented, labels, group)
        trial_tasks |= trials
        attackers |= fitted
    for job in (job for job in jobs if job.attack == STACK):
        trial_tasks[job], attackers[job] = _submit_stack(plan, represented, job, attackers)
    outcomes = dict(represented.executor.collect(trial_tasks, deadline, "attack", _cost))
    return attackers, {job: as_trial(outcomes[job]) for job in jobs}


class Labels:
    """References to the class numbers of each pool and of attacker-select.

    Args:
        plan: Names the attributes and tasks.
        represented: The attackers' records.
    """

    def __init__(self, plan: Plan, represented: Representations) -> None:
        self.plan, self.represented = plan, represented
        self._references: dict[tuple[str, bool], Any] = {}

    def classes(self, pool: Pool, representation: Representation) -> dict[str, int]:
        """Attribute -> K, of all labels that such an attack knows.

        A mirrored or shifted picture keeps its private class, and not the class of every task.
        Shuffled labels of the private attributes come alone, so that nothing else gives them away.
        """
        known = {name: len(classes) for name, classes in self.plan.private.items()}
        if pool != "views" and representation != "shuffled":
            known |= {a.name: len(a.classes) for a in self.represented.evidence.schema.attributes}
        return known

    def of(self, part: Pool | str, representation: Representation) -> Any:
        """A reference to the class numbers of a pool, or of `select`."""
        shuffled = representation == "shuffled"
        if (part, shuffled) not in self._references:
            values = self._values(part, representation)
            if shuffled:
                values = {name: _shuffled(u, name, self.plan) for name, u in values.items()}
            self._references[part, shuffled] = self.represented.executor.put(values)
        return self._references[part, shuffled]

    def _values(self, part: Pool | str, representation: Representation) -> dict[str, NDArray[Any]]:
        if part == "select":
            names = self.classes("fresh", representation)
            return {n: self.represented.evidence.select.labels[n] for n in names}
        pool: Pool = part  # type: ignore[assignment]  # every other part is a pool
        return self.represented.pools.labels(pool, tuple(self.classes(pool, representation)))


def submit_fit(
    plan: Plan,
    represented: Representations,
    labels: Labels,
    group: Sequence[Job],
    people: int | None = None,
) -> tuple[dict[Job, Any], dict[Job, Any]]:
    """Tasks for the trials and for the attackers of jobs that are one fit.

    Args:
        plan, represented, labels: Of the audit.
        group: Jobs that differ in their targets alone.
        people: Records of a random part to fit on, without copies; None: all.
    """
    job, attack = group[0], ATTACKS[group[0].attack]
    representation = job.representation
    request = tasks.FitRequest(
        attack=job.attack, seed=job.seed, budget=job.budget, pool=job.pool,
        targets=tuple(job.target for job in group),
        classes=labels.classes(job.pool, representation),
        records=_records(plan, job), people=people,
    )  # fmt: skip
    pool, read = represented.pool(), features_read(representation)
    uses_records = (attack.needs_records or attack.joint) and job.pool != "views"
    x = pool["raw"] if uses_records and representation in ("released", "unprotected") else None
    redrawn = attack.redraws and representation == "released" and job.pool != "views"
    submitted = represented.executor.submit(
        tasks.fit, request, pool[read], labels.of(job.pool, representation), x,
        represented.part("select")[read], labels.of("select", representation),
        represented.draws() if redrawn else None,
        returns=2 * len(group), gpu=attack.uses_gpu,
    )  # fmt: skip
    trials = dict(zip(group, submitted[: len(group)], strict=True))
    return trials, dict(zip(group, submitted[len(group) :], strict=True))


def _records(plan: Plan, job: Job) -> int:
    records = plan.attackers[job.pool]
    return min(records, CONTROL_PEOPLE) if job.representation == "shuffled" else records


def _submit_stack(
    plan: Plan, represented: Representations, job: Job, attackers: Mapping[Job, Any]
) -> tuple[Any, Any]:
    stacked = [
        attacker for other, attacker in attackers.items()
        if (other.target, other.representation) == (job.target, "released")
    ]  # fmt: skip
    select = represented.evidence.select.labels[job.target]
    trial, attacker = represented.executor.submit(
        tasks.fit_stacked, represented.part("stack")["released"],
        represented.pools.stack.labels[job.target], represented.part("select")["released"], select,
        len(plan.private[job.target]), job.seed, *stacked, returns=2,
    )  # fmt: skip
    return trial, attacker


def fit_groups(jobs: Sequence[Job], private: Container[str]) -> list[list[Job]]:
    """Jobs that are one fit: those of a joint attack that differ in their targets alone.

    On released features tasks have a fit of their own: beside them an attack would spend its
    capacity and choose its pass for what it is not after.

    Args:
        jobs: In any order.
        private: Names of the private attributes.
    """
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        if job.attack != STACK:
            joint = ATTACKS[job.attack].joint
            target = None if joint else job.target
            of_task = job.representation == "released" and job.target not in private
            key = (job.representation, job.attack, job.seed, job.budget, job.pool, target, of_task)
            groups.setdefault(key, []).append(job)
    return list(groups.values())


def _shuffled(u: NDArray[np.int64], name: str, plan: Plan) -> NDArray[np.int64]:
    """The labels of the negative control."""
    number = list(plan.private).index(name)
    return np.random.default_rng([plan.sample_seed, number, len(u)]).permutation(u)


def _order(job: Job) -> tuple[bool, float]:
    """Sort key: slow jobs first, so that no slow job is the last to start."""
    return job.representation != "raw", -_cost(job)


def _cost(job: Job) -> float:
    """Rough seconds of a fit."""
    return (
        _FIT_SECONDS.get(job.attack, 0.1)
        * job.budget
        * (_RAW_FACTOR if job.representation == "raw" else 1)
    )


def as_trial(outcome: Any) -> AttackTrial:
    """A job's trial; a failed trial where the job raised an exception."""
    if isinstance(outcome, AttackTrial):
        return outcome
    return AttackTrial(None, failure(outcome), 0.0, None)
