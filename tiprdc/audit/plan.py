"""What a plan means: its attacks and seeds, and every job of an audit in order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tiprdc.attacks.suite import ATTACKS
from tiprdc.audit.policy import PolicyConfig
from tiprdc.errors import ConfigError
from tiprdc.formats.audit_plan import REPRESENTATIONS, Plan, Policy, Pool, Representation

STACK = "stack"
"""Name of the stack of all attacks, which is fitted on people that no attack was fitted on."""
GROWTH = 10
"""The attacker of the policy has this many times the people of the audit's attackers by default."""
FEW_MORE = 4 / 3
"""Attackers who may know extractor-train always do where their pool grows by less than this."""
RECORD_PEOPLE = 16_000
"""Records up to which `decoding` and `decensoring` run: `residual` learns from records as well, and
finds more with many."""


def most_people(attackers: Mapping[Pool, int]) -> int:
    """Records of the largest pool without copies."""
    return max(count for pool, count in attackers.items() if pool != "views")


def policy_of(config: PolicyConfig, attackers: Mapping[Pool, int]) -> Policy:
    """The configured policy as a plan holds it.

    Args:
        config: The policy.
        attackers: Pool -> records; copies count once.

    Raises:
        ConfigError: `attacker_people` is smaller than the number of records that attackers have.
    """
    here = most_people(attackers)
    people = GROWTH * here if config.attacker_people == "auto" else config.attacker_people
    if people < here:
        raise ConfigError(
            "audit.policy.attacker_people", people,
            f"at least {here:,}, the people that this audit's attackers have",
            f"set it to auto ({GROWTH} times as many)",
        )  # fmt: skip
    return Policy(
        margin=config.margin,
        against=config.against,
        confidence=config.confidence,
        min_people=config.min_people,
        attacker_people=people,
        certificate=config.certificate,
    )


@dataclass(frozen=True)
class Job:
    """One attack to fit: on which representation and records, on which attribute or task."""

    target: str
    representation: Representation
    attack: str
    seed: int
    budget: int
    pool: Pool


Run = tuple[str, int, Pool]
"""Attack, seed and pool."""


def mandatory_runs(plan: Plan, representation: Representation) -> tuple[Run, ...]:
    """Each mandatory run on a private attribute."""
    names = {"released": attacks_made(plan), "raw": plan.raw}.get(representation, plan.probes)
    runs = tuple(
        (name, seed, pool)
        for name in names
        for seed in (_seeds(plan, name) if representation == "released" else plan.seeds[:1])
        for pool in _pools(plan, representation, name)
    )
    stacked = representation == "released" and plan.stack_people > 0
    return (*runs, (STACK, plan.seeds[0], largest_pool(plan))) if stacked else runs


def attacks_made(plan: Plan) -> tuple[str, ...]:
    """The plan's attacks on features without those that so many people make superfluous."""
    many = most_people(plan.attackers) > RECORD_PEOPLE and "residual" in plan.attacks
    return tuple(name for name in plan.attacks if not (many and ATTACKS[name].needs_records))


def jobs_of(plan: Plan) -> list[Job]:
    """Every attack, in the order of the report."""
    jobs = []
    for representation in REPRESENTATIONS:
        if representation == "unprotected" and plan.unprotected_sha256 is None:
            continue
        budget = plan.budget if representation == "released" else 1
        for target in plan.private:
            runs = mandatory_runs(plan, representation)
            jobs += [Job(target, representation, name, s, budget, pool) for name, s, pool in runs]
        if representation != "shuffled":
            names = plan.raw if representation == "raw" else plan.probes
            jobs += [
                Job(target, representation, name, plan.seeds[0], 1, largest_pool(plan))
                for target in plan.utility
                for name in names
            ]
    return jobs


def largest_pool(plan: Plan) -> Pool:
    """The pool with all people: those that the extractor was trained on, too, where known."""
    return "all" if "all" in plan.attackers else "fresh"


def _seeds(plan: Plan, attack: str) -> tuple[int, ...]:
    return plan.seeds if ATTACKS[attack].random else plan.seeds[:1]


def _pools(plan: Plan, representation: Representation, attack: str) -> tuple[Pool, ...]:
    """The pools that an attack is fitted on.

    A pool that gives an attack no more records than a smaller one is left out: an attack is fitted
    on `most_records` at most. So is the pool of fresh people where extractor-train adds few to it.
    Attacks that read records as well have no copies.
    """
    if representation == "shuffled":
        return ("fresh",)
    if representation != "released":
        return (largest_pool(plan),)
    sizes = dict(plan.attackers)
    if sizes.get("all", math.inf) < FEW_MORE * sizes["fresh"]:
        del sizes["fresh"]
    if ATTACKS[attack].needs_records:
        sizes.pop("views", None)
    most = ATTACKS[attack].most_records or math.inf
    smaller = 0
    pools: list[Pool] = []
    for pool, size in sorted(sizes.items(), key=lambda item: item[1]):
        if smaller < most:
            pools.append(pool)
        smaller = size
    return tuple(pools)
