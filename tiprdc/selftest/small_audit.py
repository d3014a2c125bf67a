"""A small audit of a fixture in place of a release, by the audit's own code.

Only this module connects the self-test with the audit. A raw record is u, in plain view, next to
the fixture's features; the "release" returns the features without u. Everything else is as for any
release: `tiprdc.audit.run` plans, runs the attacks, selects, opens attacker-test and gives the
verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from tiprdc.attacks.base import Kind
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evaluation.scoring import Scored
from tiprdc.audit.evidence import Evidence, digest_of
from tiprdc.audit.executor import Executor, InProcess
from tiprdc.audit.ledger import Ledger
from tiprdc.audit.policy import PolicyConfig
from tiprdc.audit.protocol import attack
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.audit.verdict import conclude, judge
from tiprdc.datasets.schema import SPLITS, Attribute, Column, Records, Schema
from tiprdc.errors import ConfigError, check_range
from tiprdc.formats.audit_bounds import Certificate, Curve
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import AttackRun, AttributeReport, Estimate, Verdict
from tiprdc.selftest.base import Fixture

ATTRIBUTE = "u"
FAST_ATTACKS: dict[Kind, tuple[str, ...]] = {
    "flat": (
        "logistic_regression", "quadratic", "moments", "gradient_boosting",
        "nearest_neighbours", "kernel",
    ),
    "picture": ("logistic_regression", "cnn"),
    "text": ("bag_of_tokens", "gru"),
}  # fmt: skip
"""Attacks of the suite that take seconds, for each kind of representation."""
_LABEL_COLUMNS = 2
"""Columns of the raw record that show u."""
_NO_TIMEOUT = 1e6


@dataclass(frozen=True, kw_only=True)
class AuditSetup:
    """Numbers of people, attacks and policy of a small audit."""

    train: int = 2000
    """People of attacker-train, 40 to 1,000,000."""
    select: int = 1000
    """People of attacker-select, 20 to 1,000,000."""
    test: int = 1000
    """People of attacker-test, 40 to 1,000,000; even."""
    attacks: tuple[str, ...] = ()
    """Attacks on the features; empty: those of `FAST_ATTACKS`."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(min_people=20))
    """The audit's policy."""

    def __post_init__(self) -> None:
        for name, least in (("train", 40), ("select", 20), ("test", 40)):
            check_range(f"setup.{name}", getattr(self, name), least, 1_000_000)
        if self.test % 2:
            raise ConfigError("setup.test", self.test, "an even number: half of each class")


@dataclass(frozen=True)
class FixtureAudit:
    """The verdict on a fixture, its reasons and its figures."""

    verdict: Verdict
    reasons: tuple[str, ...]
    report: AttributeReport


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """The state of an audit just before its verdict; faults are applied to it.

    Args:
        plan: The plan at the time of the verdict.
        recorded_plan_sha256: The plan's sha256, recorded before attacker-test was attacked.
        model_sha256, unprotected_sha256, data_digest: Digests after the attacks.
        strongest, leakage, controls, attacks, curves, certificate: As in
            `tiprdc.audit.verdict.judge`.
    """

    plan: Plan
    recorded_plan_sha256: str
    model_sha256: str
    unprotected_sha256: str | None
    data_digest: str
    strongest: Estimate | None
    leakage: float | None
    controls: dict[str, Estimate | None]
    attacks: tuple[AttackRun, ...]
    curves: tuple[Curve, ...] | str
    certificate: Certificate | None


@dataclass(frozen=True)
class PlantedModel:
    """Replaces an ONNX file: returns the planted features `[N, *shape]` of a raw record."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def sha256(self) -> str:
        """Digest of its behaviour."""
        return hashlib.sha256(f"{self.shape} {self.dtype}".encode()).hexdigest()

    def features(self, x: NDArray[Any]) -> NDArray[Any]:
        """The record without the columns that show u."""
        return x[:, _LABEL_COLUMNS:].reshape(len(x), *self.shape).astype(self.dtype)

    def redraw(self, x: NDArray[Any], records: int) -> NDArray[Any]:
        """The only draw `[1, N, *shape]`: there is no noise."""
        return self.features(x)[None]

    def check_batches(self, x: NDArray[Any]) -> None:
        """Nothing to check: each row is computed from its record alone."""


def audit_fixture(
    fixture: Fixture,
    accuracy: float,
    setup: AuditSetup,
    seed: int,
    executor: Executor | None = None,
) -> FixtureAudit:
    """Draw people and audit them, from plan to verdict.

    Args:
        fixture: The planted leak.
        accuracy: Bayes accuracy of the leak, in [0.5, 1].
        setup: Numbers of people, attacks and policy.
        seed: Seed of the people.
        executor: Runs the attacks; None: in this process.
    """
    evidence = draw_evidence(fixture, accuracy, setup, seed)
    plan = make_fixture_plan(fixture, setup, evidence)
    digests = Digests.of(evidence)
    # No ledger: the people are generated.
    result = run(
        plan, evidence, executor or InProcess(), _NO_TIMEOUT, lambda: digests, Ledger(None)
    )
    report = result.report
    return FixtureAudit(report.verdict, report.reasons, report.attributes[ATTRIBUTE])


def collect_state(fixture: Fixture, accuracy: float, setup: AuditSetup, seed: int) -> AuditState:
    """Run an audit up to its verdict; arguments as in `audit_fixture`."""
    evidence = draw_evidence(fixture, accuracy, setup, seed)
    plan = make_fixture_plan(fixture, setup, evidence)
    scored = Scored(plan, evidence, attack(plan, evidence, InProcess(), _NO_TIMEOUT))
    digests = Digests.of(evidence)
    controls = {name: scored.estimate(ATTRIBUTE, name) for name in ("raw", "shuffled")}
    return AuditState(
        plan=plan,
        recorded_plan_sha256=plan.sha256,
        model_sha256=digests.model,
        unprotected_sha256=digests.unprotected,
        data_digest=digests.data,
        strongest=scored.estimate(ATTRIBUTE, "released"),
        leakage=scored.leakage(ATTRIBUTE),
        controls={**controls, "unprotected": None, "floor": scored.floor(ATTRIBUTE)},
        attacks=scored.runs(ATTRIBUTE),
        curves=scored.curves(ATTRIBUTE),
        certificate=scored.certificate(ATTRIBUTE),
    )


def conclude_state(state: AuditState) -> FixtureAudit:
    """The audit's verdict on a state."""
    report, reasons = judge(
        ATTRIBUTE,
        state.plan,
        strongest=state.strongest,
        leakage=state.leakage,
        controls=state.controls,
        attacks=state.attacks,
        curves=state.curves,
        certificate=state.certificate,
    )
    verdict, all_reasons = conclude(
        state.plan,
        {ATTRIBUTE: report},
        reasons,
        model_sha256=state.model_sha256,
        unprotected_sha256=state.unprotected_sha256,
        data_digest=state.data_digest,
        plan_sha256=state.recorded_plan_sha256,
    )
    return FixtureAudit(verdict, all_reasons, report)


def draw_evidence(fixture: Fixture, accuracy: float, setup: AuditSetup, seed: int) -> Evidence:
    """People of the attackers' three splits, and the model that replaces a released file."""
    rng = np.random.default_rng([seed, setup.train, setup.test])
    sizes = {"train": setup.train, "select": setup.select, "test": setup.test}
    draws = {part: fixture.draw(people, accuracy, rng) for part, people in sizes.items()}
    parts = {part: _records(part, z, u, rng) for part, (z, u) in draws.items()}
    z, _ = draws["train"]
    schema = Schema(
        dataset=f"fixture {fixture.name}",
        modality="table",
        shape=parts["train"].x.shape[1:],
        attributes=(Attribute(name=ATTRIBUTE, classes=("0", "1")),),
        private=(ATTRIBUTE,),
        utility=(),
        columns=tuple(Column(name=f"x{n}") for n in range(parts["train"].x.shape[1])),
        vocabulary_size=0,
        people=_per_split(sizes),
        records=_per_split(sizes),
        digest=digest_of(parts["test"]),
    )
    models = {"released": PlantedModel(z.shape[1:], z.dtype)}
    return Evidence(schema, parts["train"], parts["select"], parts["test"], models)


def make_fixture_plan(fixture: Fixture, setup: AuditSetup, evidence: Evidence) -> Plan:
    """The audit's plan, with attacks that can read the fixture's features."""
    config = AuditConfig(
        policy=setup.policy, probes=("logistic_regression",), raw=("logistic_regression",),
        seeds=(0,), reconstruction=False, alternatives=False,
    )  # fmt: skip
    plan = make_plan(config, evidence, "draw more people")
    names = setup.attacks or FAST_ATTACKS[fixture.kind]
    return structs.replace(plan, attacks=names, probes=names[:1])


def _records(part: str, z: NDArray[Any], u: NDArray[np.int64], rng: np.random.Generator) -> Records:
    label_columns = np.eye(_LABEL_COLUMNS)[u] + 0.1 * rng.normal(size=(len(u), _LABEL_COLUMNS))
    x = np.concatenate([label_columns, z.reshape(len(z), -1)], axis=1).astype(np.float32)
    person = np.array([f"{part}-{n}" for n in range(len(u))])
    return Records(x=x, labels={ATTRIBUTE: u}, person=person)


def _per_split(sizes: Mapping[str, int]) -> dict[str, int]:
    return {split: sizes.get(split.removeprefix("attacker-"), 0) for split in SPLITS}
