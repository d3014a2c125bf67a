"""Learning curves of an audit: the strongest attacks on an eighth, a quarter, half and all records.

The attacks of the curves are chosen on attacker-select, as the attack of the verdict is, and are
then scored on attacker-test. Only attacks that are fitted on half of their pool or more have a
curve: one that is fitted on a small part says little about many more people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.learning_curve import MIN_PEOPLE, curve_sizes
from tiprdc.attacks.suite import ATTACKS, AttackTrial
from tiprdc.audit.plan import STACK, Job, largest_pool
from tiprdc.formats.audit_bounds import Curve, CurvePoint, Projection
from tiprdc.formats.audit_plan import Plan, Policy, Pool
from tiprdc.statistics.binomial import interval
from tiprdc.statistics.learning_curve import extrapolate

CURVES = 2
"""Most attacks of an attribute that have a curve."""
MIN_SHARE = 0.5
"""Least share of its pool that an attack with a curve is fitted on."""


@dataclass(frozen=True)
class CurveCounts:
    """How an attack with growing numbers of people did on attacker-test.

    Args:
        job: The attack with all its records.
        people: The attacker's records, increasing `[P]`.
        patterns: Test people by who recognised them `[2 ** P]`: bit i is the attack with people[i].
    """

    job: Job
    people: tuple[int, ...]
    patterns: tuple[int, ...]


def people_of(plan: Plan, pool: Pool) -> int:
    """Records of a pool without copies."""
    return plan.attackers["fresh" if pool == "fresh" else largest_pool(plan)]


def curve_jobs(plan: Plan, target: str, trials: Mapping[Job, AttackTrial]) -> list[Job]:
    """The attacks that get a curve: the strongest on attacker-select, each in its best run."""
    best: dict[str, tuple[float, Job]] = {}
    for job, trial in trials.items():
        if (job.target, job.representation) != (target, "released") or trial.select is None:
            continue
        if job.attack == STACK or not _teaches_enough(plan, job):
            continue
        if trial.select > best.get(job.attack, (-1.0, job))[0]:
            best[job.attack] = trial.select, job
    ranked = sorted(best.values(), key=lambda scored: -scored[0])
    return [job for _, job in ranked[:CURVES]]


def fitted_people(plan: Plan, job: Job) -> int:
    """Records, without copies, that an attack is fitted on: all of its pool, or `most_records`."""
    people, most = people_of(plan, job.pool), ATTACKS[job.attack].most_records
    return people if most is None else min(people, most * people // plan.attackers[job.pool])


def _teaches_enough(plan: Plan, job: Job) -> bool:
    people = fitted_people(plan, job)
    return people >= max(MIN_PEOPLE, MIN_SHARE * people_of(plan, job.pool))


def parts_of(plan: Plan, job: Job) -> tuple[int, ...]:
    """Records of each point of a curve but the last, which the audit has already."""
    return curve_sizes(fitted_people(plan, job))[:-1]


def patterns_of(correct: Sequence[NDArray[np.bool_]]) -> tuple[int, ...]:
    """Test people by who recognised them, from whether each attack was right `[P][N]`."""
    code = sum(right.astype(np.int64) << place for place, right in enumerate(correct))
    return tuple(int(n) for n in np.bincount(np.asarray(code), minlength=2 ** len(correct)))


def _correct(patterns: Sequence[int], points: int) -> list[NDArray[np.bool_]]:
    """Whether each attack was right `[P][N]`, in the order of the patterns."""
    code = np.repeat(np.arange(len(patterns)), patterns)
    return [(code >> place & 1).astype(bool) for place in range(points)]


def build_curve(
    attack: str, pool: Pool, seed: int, people: Sequence[int], patterns: Sequence[int],
    policy: Policy, prior: float, limit: float,
) -> Curve:  # fmt: skip
    """A curve with its bounds, which follow from the counts alone.

    Args:
        attack, pool, seed: Of the attack.
        people, patterns: As in `CurveCounts`; at least one test person.
        policy: Confidence, and the people to project to.
        prior, limit: Balanced accuracies.

    Raises:
        ValueError: The counts do not fit the points.
    """
    if len(patterns) != 2 ** len(people) or list(people) != sorted(set(people)):
        raise ValueError("the patterns of a curve do not fit its points")
    correct = _correct(patterns, len(people))
    projected = extrapolate(
        people, correct, policy.attacker_people, prior=prior, limit=limit,
        confidence=policy.confidence,
    )  # fmt: skip
    return Curve(
        attack=attack,
        pool=pool,
        seed=seed,
        points=tuple(
            _point(count, int(right.sum()), len(right), policy.confidence)
            for count, right in zip(people, correct, strict=True)
        ),
        patterns=tuple(patterns),
        projection=Projection(
            people=projected.people,
            value=projected.value,
            low=projected.low,
            high=projected.high,
            people_at_limit=projected.people_at_limit,
        ),
    )


def _point(people: int, correct: int, tested: int, confidence: float) -> CurvePoint:
    bounds = interval(correct, tested, confidence)
    return CurvePoint(
        people=people, balanced_accuracy=bounds.value, low=bounds.low, high=bounds.high
    )


def order_curves(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """The curve with the highest projected upper bound first: it decides."""
    return tuple(sorted(curves, key=lambda curve: -curve.projection.high))
