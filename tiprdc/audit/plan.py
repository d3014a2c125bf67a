"""The plan: everything that is decided, and hashed, before attacker-test is attacked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tiprdc.attacks.suite import ATTACKS, SUITE_VERSION
from tiprdc.audit.config import PolicyConfig

Representation = Literal["released", "unprotected", "raw", "shuffled"]

_ORDER: tuple[Representation, ...] = ("released", "unprotected", "raw", "shuffled")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything decided before attacker-test is attacked.

    Args:
        suite_version: Of the attacks.
        model_sha256: Of the released ONNX file.
        unprotected_sha256: Of the unprotected ONNX file; None where there is none.
        data_digest: Of the shards.
        private: Private attribute -> its classes.
        utility: Unseen task -> its classes.
        people: Private attribute or task -> people in the balanced sample of attacker-test.
        attacks, probes, raw: Names, on features, on features, on the raw record.
        seeds, budget, sample_seed, policy, reconstruction, measures: As configured.
    """

    suite_version: str = SUITE_VERSION
    model_sha256: str
    unprotected_sha256: str | None
    data_digest: str
    private: dict[str, tuple[str, ...]]
    utility: dict[str, tuple[str, ...]]
    people: dict[str, int]
    attacks: tuple[str, ...]
    probes: tuple[str, ...]
    raw: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: int
    sample_seed: int
    policy: PolicyConfig
    reconstruction: bool
    measures: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of the plan's canonical JSON."""
        return digest(msgspec.to_builtins(self))

    def runs(self, representation: Representation) -> tuple[tuple[str, int], ...]:
        """Attack and seed of each mandatory run on a private attribute."""
        names = {"released": self.attacks, "raw": self.raw}.get(representation, self.probes)
        seeds = self.seeds if representation == "released" else self.seeds[:1]
        return tuple(
            (name, seed)
            for name in names
            for seed in (seeds if ATTACKS[name].random else seeds[:1])
        )


def digest(plan: Mapping[str, Any]) -> str:
    """sha256 of a plan as JSON has it: sorted keys, no spaces."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """One attack to fit: on what, about which attribute or task."""

    target: str
    representation: Representation
    attack: str
    seed: int
    budget: int


def jobs_of(plan: Plan) -> list[Job]:
    """Every attack to fit, in the order of the report."""
    jobs = []
    for representation in _ORDER:
        if representation == "unprotected" and plan.unprotected_sha256 is None:
            continue
        budget = plan.budget if representation == "released" else 1
        for target in plan.private:
            runs = plan.runs(representation)
            jobs += [Job(target, representation, name, seed, budget) for name, seed in runs]
        if representation != "shuffled":
            names = plan.raw if representation == "raw" else plan.probes
            jobs += [
                Job(target, representation, name, plan.seeds[0], 1)
                for target in plan.utility
                for name in names
            ]
    return jobs
