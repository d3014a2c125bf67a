"""An audit in miniature: a fixture in place of a release, in one process.

The one place where the self-test touches the audit. What it proves it proves of `try_attack`, which
fits and scores every attacker, of `judge` and `conclude`, which give the verdict, and of the exact
bounds under both. What stands between them in a real audit, reading files and handing out work, is
done here in a few lines and proved by the audit's own tests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.attack import Kind
from tiprdc.attacks.suite import ATTACKS, Trial, decisions, try_attack
from tiprdc.audit import (
    AttackRun,
    AttributeReport,
    Estimate,
    Plan,
    PolicyConfig,
    Representation,
    Verdict,
    conclude,
    judge,
)
from tiprdc.errors import ConfigError, within
from tiprdc.selftest.fixture import Fixture
from tiprdc.statistics import leakage_bits

ATTRIBUTE = "u"
CHEAP: dict[Kind, tuple[str, ...]] = {
    "flat": ("logistic_regression", "nearest_neighbours", "gradient_boosting", "kernel"),
    "picture": ("logistic_regression", "cnn"),
    "text": ("bag_of_tokens", "gru"),
}
"""Attacks that take seconds, for each kind of representation."""

Part = tuple[NDArray[Any], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many people, whose attacks, which policy."""

    train: int = 2000
    """People of attacker-train, 40 to 1,000,000."""
    select: int = 1000
    """People of attacker-select, 20 to 1,000,000."""
    test: int = 1000
    """People of attacker-test, 20 to 1,000,000; even."""
    attacks: tuple[str, ...] = ()
    """Attacks on the features; empty takes those of `CHEAP`."""
    seeds: tuple[int, ...] = (0,)
    """Each attack that depends on chance is fitted once for each."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(min_people=20))
    """The gate."""

    def __post_init__(self) -> None:
        for name, least in (("train", 40), ("select", 20), ("test", 20)):
            within(f"design.{name}", getattr(self, name), least, 1_000_000)
        if self.test % 2:
            raise ConfigError("design.test", self.test, "an even number: half of each class")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an audit has found before it is judged.

    Args:
        plan: As it is when the verdict is given.
        noted: Its sha256, as noted before attacker-test was attacked.
        model_sha256, control_sha256, data_digest: Of what was attacked.
        strongest, leakage, controls, attacks: As in `tiprdc.audit.judge`.
    """

    plan: Plan
    noted: str
    model_sha256: str
    control_sha256: str
    data_digest: str
    strongest: Estimate | None
    leakage: float | None
    controls: dict[str, Estimate | None]
    attacks: tuple[AttackRun, ...]


@dataclass(frozen=True)
class Finding:
    """The verdict on a fixture, its reasons, and the figures under it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    report: AttributeReport


def audit_fixture(fixture: Fixture, accuracy: float, design: Design, seed: int) -> Finding:
    """Draw people, attack them, choose, decide on attacker-test, judge.

    Args:
        fixture: What is planted.
        accuracy: Of the leak, in [0.5, 1].
        design: How.
        seed: Of the people; another seed, other people.
    """
    return conclude_on(gather(fixture, accuracy, design, seed))


def gather(fixture: Fixture, accuracy: float, design: Design, seed: int) -> Evidence:
    """Everything up to the verdict. Arguments as in `audit_fixture`."""
    rng = np.random.default_rng([seed, design.train, design.test])
    sizes = (design.train, design.select, design.test)
    released = [fixture.draw(people, accuracy, rng) for people in sizes]
    raw = [(_plain_to_see(u, rng), u) for _, u in released]
    shuffled = [(z, rng.permutation(u)) for z, u in released]
    plan = _plan(fixture, design, released, raw)
    noted, runs, found = plan.sha256, list[AttackRun](), dict[str, tuple[Estimate, float]]()
    parts: dict[Representation, list[Part]] = {
        "released": released, "raw": raw, "shuffled": shuffled,
    }  # fmt: skip
    for representation, (train, select, test) in parts.items():
        trials = {
            (name, number): try_attack(name, train, select, 2, number, plan.budget)
            for name, number in plan.runs(representation)
        }
        runs += [_run(representation, *key, trial) for key, trial in trials.items()]
        score = _scored(trials, test, plan.policy.confidence)
        if score is not None:
            found[representation] = score
    strongest = found.get("released")
    return Evidence(
        plan=plan,
        noted=noted,
        model_sha256=plan.model_sha256,
        control_sha256=plan.control_sha256,
        data_digest=plan.data_digest,
        strongest=strongest[0] if strongest else None,
        leakage=strongest[1] if strongest else None,
        controls={
            name: found[name][0] if name in found else None
            for name in ("raw", "unprotected", "shuffled", "floor")
        },
        attacks=tuple(runs),
    )


def conclude_on(evidence: Evidence) -> Finding:
    """The audit's own verdict on this evidence."""
    plan = evidence.plan
    report, reasons = judge(
        ATTRIBUTE,
        plan,
        strongest=evidence.strongest,
        leakage=evidence.leakage,
        controls=evidence.controls,
        attacks=evidence.attacks,
    )
    verdict, said = conclude(
        plan,
        {ATTRIBUTE: report},
        reasons,
        model_sha256=evidence.model_sha256,
        control_sha256=evidence.control_sha256,
        data_digest=evidence.data_digest,
        plan_sha256=evidence.noted,
    )
    return Finding(verdict, said, report)


def _plain_to_see(u: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A raw record `[N, 2]` that shows u, for the positive control."""
    return (np.eye(2)[u] + 0.1 * rng.normal(size=(len(u), 2))).astype(np.float32)


def _plan(fixture: Fixture, design: Design, released: list[Part], raw: list[Part]) -> Plan:
    probes = (CHEAP[fixture.kind][0],)
    return Plan(
        model_sha256=_digest(released),
        control_sha256=_digest(raw),
        data_digest=_digest([(u, u) for _, u in released]),
        private={ATTRIBUTE: ("0", "1")},
        utility={},
        people={ATTRIBUTE: design.test},
        attacks=design.attacks or CHEAP[fixture.kind],
        probes=probes,
        raw=("logistic_regression",),
        seeds=design.seeds,
        budget=1,
        sample_seed=0,
        policy=design.policy,
        reconstruction=False,
    )


def _digest(parts: list[Part]) -> str:
    digest = hashlib.sha256()
    for z, _ in parts:
        digest.update(np.ascontiguousarray(z).data)
    return digest.hexdigest()


def _run(representation: Representation, attack: str, seed: int, trial: Trial) -> AttackRun:
    return AttackRun(
        attack=attack, representation=representation, seed=seed, select=trial.select,
        status=trial.status, seconds=round(trial.seconds, 2),
    )  # fmt: skip


def _scored(
    trials: dict[tuple[str, int], Trial], test: Part, confidence: float
) -> tuple[Estimate, float] | None:
    """The attacker that is best on attacker-select (the first wins a tie), on attacker-test."""
    finished = {key: t for key, t in trials.items() if t.select is not None}
    if not finished:
        return None
    best = max(finished, key=lambda key: finished[key].select or 0.0)
    attacker, (z, u) = finished[best].attacker, test
    assert attacker is not None
    correct = int(np.sum(decisions(attacker, z) == u))
    estimate = Estimate.of(best[0], correct, len(u), confidence, finished[best].select)
    return estimate, leakage_bits(attacker.probabilities(z), u)


def suiting(names: tuple[str, ...], kind: Kind) -> tuple[str, ...]:
    """Those of these attacks that can read such representations."""
    return tuple(name for name in names if kind in ATTACKS[name].kinds)
