"""What a plan means: its attacks and seeds, and every job of an audit in order."""

from __future__ import annotations

from dataclasses import dataclass

from tiprdc.attacks.suite import ATTACKS
from tiprdc.audit.config import PolicyConfig
from tiprdc.formats.audit_plan import REPRESENTATIONS, Plan, Policy, Representation


def policy_of(config: PolicyConfig) -> Policy:
    """The configured policy as a plan holds it."""
    return Policy(
        margin=config.margin,
        against=config.against,
        confidence=config.confidence,
        min_people=config.min_people,
    )


def mandatory_runs(plan: Plan, representation: Representation) -> tuple[tuple[str, int], ...]:
    """Attack and seed of each mandatory run on a private attribute."""
    names = {"released": plan.attacks, "raw": plan.raw}.get(representation, plan.probes)
    seeds = plan.seeds if representation == "released" else plan.seeds[:1]
    return tuple(
        (name, seed) for name in names for seed in (seeds if ATTACKS[name].random else seeds[:1])
    )


@dataclass(frozen=True)
class Job:
    """One attack to fit: on which representation, on which attribute or task."""

    target: str
    representation: Representation
    attack: str
    seed: int
    budget: int


def jobs_of(plan: Plan) -> list[Job]:
    """Every attack to fit, in the order of the report."""
    jobs = []
    for representation in REPRESENTATIONS:
        if representation == "unprotected" and plan.unprotected_sha256 is None:
            continue
        budget = plan.budget if representation == "released" else 1
        for target in plan.private:
            runs = mandatory_runs(plan, representation)
            jobs += [Job(target, representation, name, seed, budget) for name, seed in runs]
        if representation != "shuffled":
            names = plan.raw if representation == "raw" else plan.probes
            jobs += [
                Job(target, representation, name, plan.seeds[0], 1)
                for target in plan.utility
                for name in names
            ]
    return jobs
